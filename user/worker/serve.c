/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/worker/serve.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "user/attach/attach.h"
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/base/service.h"
#include "user/crypto/alg.h"
#include "user/maps/seqmem.h"
#include "user/worker/limits.h"

#define REFRESH_S 10	  /* neighbours in use are confirmed so often, in ticks of a second */
#define NAT_EXPIRE_S 3600 /* a look through xi_nat: its entries live for days */
#define WORKERS_DEFAULT_MAX 16

static int cpu_for(const struct serve_conf *conf, unsigned worker)
{
	cpu_set_t allowed;
	unsigned n;

	if (conf->ncpus)
		return conf->cpus[worker % conf->ncpus];
	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		return -1;
	n = (unsigned)CPU_COUNT(&allowed);
	for (unsigned cpu = 0, seen = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &allowed) && seen++ == worker % n)
			return (int)cpu;
	return -1;
}

static int make_workers(struct serve *sv, struct err *e)
{
	unsigned n = sv->conf->workers;

	if (!n)
		n = MIN((unsigned)sysconf(_SC_NPROCESSORS_ONLN), (unsigned)WORKERS_DEFAULT_MAX);
	if (n > sv->maps->meta->workers_max)
		return err_set(e, -EINVAL, "%u workers, but the maps have counters for %u: start it with --workers %u",
			       n, sv->maps->meta->workers_max, sv->maps->meta->workers_max);
	sv->worker = aligned_alloc(64, (sizeof(*sv->worker) * n + 63) & ~(size_t)63);
	sv->frags = frags_new(&sv->memory);
	if (!sv->worker || !sv->frags)
		return err_set(e, -ENOMEM, "out of memory");
	for (unsigned i = 0; i < n; i++) {
		struct worker_conf wc = {.frags = sv->frags, .frames = sv->conf->frames, .cpu = cpu_for(sv->conf, i)};
		int rc = worker_init(&sv->worker[i], i, &wc, sv->maps, sv->rt, &sv->memory, e);

		sv->worker[i].events = sv->events;
		sv->workers++; /* also half made ones are to be freed */
		if (rc)
			return rc;
	}
	return 0;
}

/*
 * Capabilities belong to a thread: this runs before the first one is started. What the main thread still needs: sockets for interfaces
 * attached later, routes and neighbours, sysctls it reads into the maps.
 */
static int drop_privileges(struct err *e)
{
	capng_clear(CAPNG_SELECT_BOTH);
	if (capng_updatev(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_NET_RAW, CAP_NET_ADMIN, CAP_IPC_LOCK,
			  CAP_BPF, -1) < 0)
		return err_set(e, -EPERM, "cannot choose capabilities");
	/* CAP_BPF and friends may be missing in a container that nevertheless let us come so far: keep what there is. */
	if (capng_apply(CAPNG_SELECT_BOTH) < 0)
		log_warning("capabilities could not be reduced");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		log_warning("new privileges could not be ruled out: %s", strerror(errno));
	return 0;
}

/* A worker reads what strangers send. All it does is on open descriptors, which takes no capability. */
static void *worker_thread(void *worker)
{
	capng_clear(CAPNG_SELECT_CAPS);
	if (capng_apply(CAPNG_SELECT_CAPS) < 0)
		log_warning("a worker could not drop its capabilities");
	return worker_run(worker);
}

static int start_threads(struct serve *sv, struct err *e)
{
	for (unsigned i = 0; i < sv->workers; i++) {
		int rc = pthread_create(&sv->worker[i].thread, NULL, worker_thread, &sv->worker[i]);

		if (rc)
			return err_set(e, -rc, "cannot start a thread: %s", strerror(rc));
		sv->running++;
	}
	__atomic_store_n(&sv->maps->meta->workers, sv->workers, __ATOMIC_RELEASE);
	return 0;
}

/* The replay locks are spinlocks in shared memory: whoever held one has died. We hold the instance's lock. */
static void reset_locks(struct maps *m)
{
	for (uint32_t i = 0; i < m->meta->sad_max; i++)
		if (m->sad[i].gen)
			__atomic_store_n(&m->sa_rt[i].lock, 0, __ATOMIC_RELEASE);
}

/* Lock and maps in one step: who takes off the last interface meanwhile sees either no data plane or one that has its maps. */
static int open_maps(struct serve *sv, struct err *e)
{
	int lock = attach_lock(&sv->paths, e), rc;

	if (lock < 0)
		return lock;
	sv->lock_fd = service_lock(&sv->paths, "xdp-ipsecd", e);
	rc = MIN(sv->lock_fd, 0);
	if (!rc)
		rc = maps_open_or_create(&sv->maps, &sv->paths, sv->conf->sad_max, sv->conf->spd_max, e);
	close(lock);
	return rc;
}

static int open_all(struct serve *sv, struct err *e)
{
	int rc = open_maps(sv, e);

	if (rc)
		return rc;
	reset_locks(sv->maps);
	/* Taking the lock once repairs what a writer that died in the middle of a commit has left; it needs our privileges. */
	rc = spd_lock(sv->maps, e);
	if (rc)
		return rc;
	spd_unlock(sv->maps);
	sv->guard = attach_guard(sv->maps, 1);
	if (sv->guard)
		log_warning("an attached interface that is made anew protects nothing until it is attached again: no "
			    "netfilter "
			    "program (%s; Linux 6.4 with CONFIG_NETFILTER_BPF_LINK)",
			    strerror(-sv->guard));
	rc = rt_open(&sv->rt, sv->conf->workers ? sv->conf->workers : XI_WORKER_MAX, sv->maps->fd[MAP_LOCAL],
		     sv->maps->fd[MAP_VLAN], e);
	if (!rc)
		rc = natt_open(&sv->natt, sv->maps, e);
	if (!rc)
		rc = events_open(&sv->events, sv->maps, sv->conf->workers ? sv->conf->workers : XI_WORKER_MAX, e);
	if (!rc)
		rc = make_workers(sv, e);
	if (!rc)
		rc = drop_privileges(e);
	if (!rc)
		rc = start_threads(sv, e);
	if (!rc)
		rc = control_listen(sv, e);
	if (!rc)
		rc = sockets_attach_all(sv, e);
	return rc;
}

/* The maps go with us: what must not be forgotten is the last sequence numbers (RFC 4303 §3.3.3). */
static int note_sequences(struct maps *m, struct err *e)
{
	int rc = seqmem_note_all(m, e);

	if (rc != -EBADMSG)
		return rc;
	log_error("%s", e->text); /* the file is damaged; what could be noted is */
	return 0;
}

static void close_all(struct serve *sv)
{
	struct err e;

	if (sv->running) {
		sockets_steer_away(sv);
		serve_count_lost(sv);
	}
	for (unsigned i = 0; i < sv->running; i++) {
		worker_stop(&sv->worker[i]);
		pthread_join(sv->worker[i].thread, NULL);
	}
	for (unsigned i = 0; i < sv->workers; i++)
		worker_fini(&sv->worker[i]);
	free(sv->worker);
	frags_free(sv->frags);
	rt_close(sv->rt);
	natt_close(sv->natt);
	events_close(sv->events);
	if (sv->ctl_fd >= 0) {
		close(sv->ctl_fd);
		(void)unlink(sv->paths.data_sock); /* a file that stays is harmless: nobody listens */
	}
	if (sv->maps) {
		for (unsigned i = 0; i < XI_IF_MAX; i++)
			sv->maps->ifs[i].sock_mask = sv->maps->ifs[i].zc_mask = 0;
		sv->maps->meta->workers = 0;
		/* The maps outlive us for the programs that are attached; without any they have no reader. */
		if (attach_leave(sv->maps, note_sequences, &e))
			log_warning("%s", e.text);
	}
	maps_close(sv->maps);
	if (sv->lock_fd >= 0)
		close(sv->lock_fd);
}

/*
 * An attached interface that vanished may come back under its name: until it is attached again there is only the guard on it (attach/guard.c).
 * Once for each.
 */
static void check_came_back(struct serve *sv, const struct rt_link *link)
{
	for (unsigned i = XI_IF_INTERNAL + 1; i < XI_IF_MAX && link->name && !link->gone; i++) {
		const struct xi_if *xi = &sv->maps->ifs[i];

		if (!(xi->ifindex || xi->flags & XI_IF_LOST) || strncmp(xi->name, link->name, sizeof(xi->name)) != 0 ||
		    sv->came_back[i] == link->ifindex)
			continue;
		sv->came_back[i] = link->ifindex;
		log_warning("interface %s was made anew: it is attached again", xi->name);
		if (again_ask(sv->again_fd))
			log_error("interface %s is not attached: run `xdp-ipsec start`", xi->name);
	}
}

static void on_link(void *arg, const struct rt_link *link)
{
	struct serve *sv = arg;

	for (unsigned i = 0; i < XI_IF_MAX; i++) {
		struct xi_if *xi = &sv->maps->ifs[i];

		if (xi->ifindex != (__u32)link->ifindex)
			continue;
		if (link->mtu)
			sockets_mtu(sv, i, link->mtu);
		if (link->mac)
			memcpy(xi->mac, link->mac, sizeof(xi->mac));
		if (link->gone && sv->open[i]) {
			log_warning("interface %s is gone", xi->name);
			sockets_detach(sv, i);
		}
		if (!link->gone && sv->came_back[i] == GONE)
			break; /* it was in another network namespace, and kept its number */
		if (link->gone)
			sv->came_back[i] = GONE;
		return;
	}
	check_came_back(sv, link);
}

struct sources {
	int epoll, timer, signals;
};

static int watch(int epoll, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev);
}

static int open_sources(struct serve *sv, struct sources *s, const sigset_t *set, struct err *e)
{
	const struct itimerspec every = {.it_interval.tv_sec = 1, .it_value.tv_sec = 1};

	s->epoll = sv->epoll = epoll_create1(EPOLL_CLOEXEC);
	s->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	s->signals = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->epoll < 0 || s->timer < 0 || s->signals < 0 || timerfd_settime(s->timer, 0, &every, NULL) < 0 ||
	    watch(s->epoll, s->timer) || watch(s->epoll, s->signals) || watch(s->epoll, sv->ctl_fd) ||
	    watch(s->epoll, events_fd(sv->events)) || watch(s->epoll, events_drops_fd(sv->events)) ||
	    watch(s->epoll, rt_fd_events(sv->rt)) || watch(s->epoll, rt_fd_requests(sv->rt)))
		return err_set(e, -errno, "cannot set up the event loop: %s", strerror(errno));
	return 0;
}

/* RFC 3948: a NAT has given the peer another address or port. Whose SAs these are decides what follows. */
static void on_mapping(void *arg, const struct natt_change *c)
{
	const struct event what = {.kind = EVENT_NATT,
				   .slot = XI_REF_SLOT(c->sa),
				   .gen = XI_REF_GEN(c->sa),
				   .family = c->family,
				   .addr = c->addr,
				   .port = c->port};
	const struct serve *sv = arg;

	events_publish(sv->events, &what);
}

/* The pair is nobody's: the first worker's counters have what it lost. */
void serve_count_lost(struct serve *sv)
{
	uint32_t pair[2];

	for (unsigned i = 0; i < sv->running; i++)
		worker_count_lost(&sv->worker[i]);
	attach_pair_lost(sv->maps, pair);
	worker_add_lost(&sv->worker[0], XI_DROP_IN_PAIR, pair[XI_DIR_IN]);
	worker_add_lost(&sv->worker[0], XI_DROP_OUT_PAIR, pair[XI_DIR_OUT]);
}

/* Every second. */
static void tick(struct serve *sv)
{
	control_tick(sv);
	serve_count_lost(sv);
	limits_tick(sv->maps, sv->events, clock_ns());
	events_tick(sv->events);
	(void)natt_keepalive(sv->natt, clock_ns());
	natt_find_changed(sv->natt, on_mapping, sv);
	if (++sv->ticks % REFRESH_S == 0) {
		rt_refresh(sv->rt);
		attach_refresh_sysctl(sv->maps);
	}
	if (sv->ticks % NAT_EXPIRE_S == 0)
		(void)nat_expire(sv->maps, (uint32_t)(clock_ns() / NS_PER_S));
}

static void on_route_events(struct serve *sv)
{
	if (rt_on_events(sv->rt, on_link, sv) & RT_SAID_SYSCTL)
		attach_refresh_sysctl(sv->maps);
}

static void run(struct serve *sv, const struct sources *s)
{
	for (;;) {
		struct epoll_event ev;
		uint64_t ticks;

		if (epoll_wait(s->epoll, &ev, 1, -1) != 1)
			continue; /* a signal that is not ours */
		if (ev.data.fd == s->signals)
			return;
		if (ev.data.fd == sv->ctl_fd)
			control_accept(sv);
		else if (ev.data.fd == events_fd(sv->events))
			events_drain(sv->events);
		else if (ev.data.fd == events_drops_fd(sv->events))
			events_drain_drops(sv->events);
		else if (events_has(sv->events, ev.data.fd))
			control_subscriber(sv, ev.data.fd);
		else if (ev.data.fd == rt_fd_events(sv->rt))
			on_route_events(sv);
		else if (ev.data.fd == rt_fd_requests(sv->rt))
			rt_on_requests(sv->rt);
		else if (read(s->timer, &ticks, sizeof(ticks)) == sizeof(ticks))
			tick(sv);
	}
}

/* Algorithms whose self-test failed; all workers have the same CPU and libraries. */
static void announce_failures(const struct engine *en)
{
	const struct alg *a;

	for (unsigned i = 0; (a = alg_at(i)); i++) {
		enum xi_engine failed = engine_failed(en, i), now = engine_of_alg(en, i);

		if (failed != XI_ENGINE_NONE)
			log_error("%s fails the self-test of %s: %s", engine_kind_name(failed), a->name,
				  now == XI_ENGINE_NONE ? "the algorithm is disabled, packets of its SAs are dropped"
							: "another engine does it");
		else if (now == XI_ENGINE_NONE)
			log_warning("%s is not there: no crypto engine of this machine does it", a->name);
	}
}

static void announce(const struct serve *sv)
{
	announce_failures(sv->worker[0].engine);
	log_info("xdp-ipsecd " XI_VERSION " instance %s: %u worker(s), engine %s", sv->paths.instance, sv->workers,
		 engine_name(sv->worker[0].engine));
	log_info("memory fixed at start: %zu KiB in the process, %zu KiB in maps (%u SAs, %u policies, %u frames "
		 "of %d and %d buffers of %d bytes a worker)",
		 sv->memory / 1024, sv->maps->bytes / 1024, sv->maps->meta->sad_max, sv->maps->meta->spd_max,
		 sv->conf->frames, IO_FRAME_SIZE, IO_LARGE, IO_LARGE_SIZE);
}

int serve(const struct serve_conf *conf, struct err *e)
{
	struct serve sv = {.conf = conf, .lock_fd = -1, .ctl_fd = -1};
	struct sources src = {-1, -1, -1};
	sigset_t set;
	int rc;

	sv.again_fd = again_open(conf->instance, e);
	if (sv.again_fd < 0)
		return sv.again_fd;
	/* Blocked before any thread starts: only the signal descriptor sees them. */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	rc = paths_init(&sv.paths, conf->instance, XI_ABI_VERSION, e);
	if (!rc)
		rc = open_all(&sv, e);
	if (!rc)
		rc = open_sources(&sv, &src, &set, e);
	if (!rc) {
		announce(&sv);
		service_notify("READY=1");
		run(&sv, &src);
		service_notify("STOPPING=1");
		log_info("stopping: what policies protect is dropped from here on");
	}
	close_all(&sv);
	close(sv.again_fd);
	for (unsigned i = 0; i < 3; i++) {
		int fd = ((int[]){src.epoll, src.timer, src.signals})[i];

		if (fd >= 0)
			close(fd);
	}
	return rc;
}
