/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The far end of a benchmark, and its stop-watch. Attaches an XDP program that counts and drops to the interface, then
 * obeys commands on stdin, one line of JSON each:
 *
 *   measure PID CPU WARM_MS RUN_MS    what arrived in RUN_MS after WARM_MS, and the CPU time that process PID and the
 *                                     softirq thread of CPU used meanwhile
 *   wait MS                           waits until the first packet since the last command, at most so long
 *
 * A process's CPU time holds the softirqs that ran in its context: without IRQ_TIME_ACCOUNTING the scheduler does not
 * tell them apart, and here that is right: they are the process's own transmissions.
 *
 *   sink IF
 */
#include <dirent.h>
#include <linux/if_link.h>
#include <poll.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "bench/sink.h"
#include "bench/sink_xdp.skel.h"
#include "bench/util.h"

struct sample {
	struct sink_count count[SINK_KINDS];
	uint64_t wall_ns, cpu_ns, softirq_ns;
};

static struct sink_xdp *bpf;

static int read_counts(struct sink_count count[SINK_KINDS])
{
	int cpus = libbpf_num_possible_cpus();
	struct sink_count *per_cpu = calloc((size_t)cpus, sizeof(*per_cpu));
	int rc = per_cpu ? 0 : -ENOMEM;

	memset(count, 0, sizeof(*count) * SINK_KINDS);
	for (uint32_t kind = 0; !rc && kind < SINK_KINDS; kind++) {
		rc = bpf_map_lookup_elem(bpf_map__fd(bpf->maps.sink_counts), &kind, per_cpu);
		for (int c = 0; !rc && c < cpus; c++) {
			count[kind].packets += per_cpu[c].packets;
			count[kind].bytes += per_cpu[c].bytes;
		}
	}
	free(per_cpu);
	return rc;
}

/* CPU time of a process, all threads, those that ended too; 0 when it is not there. */
static uint64_t process_ns(pid_t pid)
{
	clockid_t clock;

	return pid > 0 && clock_getcpuclockid(pid, &clock) == 0 ? now_ns(clock) : 0;
}

/* The pid of ksoftirqd of a CPU, or 0. */
static pid_t ksoftirqd_pid(int cpu)
{
	char want[32], path[64], comm[32];
	DIR *dir = opendir("/proc");
	struct dirent *d;
	pid_t pid = 0;

	(void)snprintf(want, sizeof(want), "ksoftirqd/%d\n", cpu);
	while (dir && !pid && (d = readdir(dir))) {
		FILE *f;

		if (d->d_name[0] < '0' || d->d_name[0] > '9')
			continue;
		(void)snprintf(path, sizeof(path), "/proc/%.20s/comm", d->d_name);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (fgets(comm, sizeof(comm), f) && strcmp(comm, want) == 0)
			pid = atoi(d->d_name);
		(void)fclose(f);
	}
	if (dir)
		(void)closedir(dir);
	return pid;
}

static void sample(struct sample *s, pid_t pid, pid_t softirqd)
{
	if (read_counts(s->count))
		die("cannot read the counters");
	s->wall_ns = now_ns(CLOCK_MONOTONIC);
	s->cpu_ns = process_ns(pid);
	s->softirq_ns = process_ns(softirqd);
}

static uint64_t diff(const struct sample *a, const struct sample *b, enum sink_kind kind)
{
	return b->count[kind].packets - a->count[kind].packets;
}

static void wait_ms(uint64_t ms)
{
	uint64_t end = now_ns(CLOCK_MONOTONIC) + ms * 1000000, now;

	while (!stopped && (now = now_ns(CLOCK_MONOTONIC)) < end)
		(void)poll(NULL, 0, (int)((end - now + 999999) / 1000000));
}

static void measure(pid_t pid, int cpu, uint64_t warm_ms, uint64_t run_ms)
{
	pid_t softirqd = ksoftirqd_pid(cpu);
	uint64_t packets = 0, bytes = 0, esp;
	struct sample a, b;

	wait_ms(warm_ms);
	sample(&a, pid, softirqd);
	wait_ms(run_ms);
	sample(&b, pid, softirqd);
	for (int k = 0; k < SINK_KINDS; k++) {
		packets += diff(&a, &b, k);
		bytes += b.count[k].bytes - a.count[k].bytes;
	}
	esp = diff(&a, &b, SINK_ESP);
	(void)printf("{\"packets\":%lu,\"bytes\":%lu,\"esp\":%lu,\"udp\":%lu,\"wall_ns\":%lu,\"cpu_ns\":%lu,"
		     "\"softirq_ns\":%lu}\n",
		     packets, bytes, esp, diff(&a, &b, SINK_UDP), b.wall_ns - a.wall_ns, b.cpu_ns - a.cpu_ns,
		     b.softirq_ns - a.softirq_ns);
}

static uint64_t total(void)
{
	struct sink_count count[SINK_KINDS];
	uint64_t n = 0;

	if (read_counts(count))
		die("cannot read the counters");
	for (int k = 0; k < SINK_KINDS; k++)
		n += count[k].packets;
	return n;
}

static void wait_first(uint64_t ms)
{
	uint64_t before = total(), end = now_ns(CLOCK_MONOTONIC) + ms * 1000000;

	while (!stopped && total() == before && now_ns(CLOCK_MONOTONIC) < end)
		(void)poll(NULL, 0, 5);
	(void)printf("{\"arrived\":%s}\n", total() > before ? "true" : "false");
}

static void obey(const char *line)
{
	unsigned long warm, run;
	int pid, cpu;

	if (sscanf(line, "measure %d %d %lu %lu", &pid, &cpu, &warm, &run) == 4)
		measure(pid, cpu, warm, run);
	else if (sscanf(line, "wait %lu", &run) == 1)
		wait_first(run);
	else
		(void)printf("{\"error\":\"commands: measure PID CPU WARM_MS RUN_MS, wait MS\"}\n");
	(void)fflush(stdout);
}

int main(int argc, char **argv)
{
	char line[128];
	unsigned ifindex;
	int rc;

	if (argc != 2)
		die("usage: sink IF");
	ifindex = ifindex_of(argv[1]);
	libbpf_set_print(libbpf_warnings);
	bpf = sink_xdp__open_and_load();
	if (!bpf)
		die("cannot load the BPF object: %s", strerror(errno));
	rc = bpf_xdp_attach((int)ifindex, bpf_program__fd(bpf->progs.sink_xdp),
			    XDP_FLAGS_DRV_MODE | XDP_FLAGS_UPDATE_IF_NOEXIST, NULL);
	if (rc)
		die("cannot attach XDP to %s: %s", argv[1], strerror(-rc));
	stop_on_signals();
	(void)printf("ready\n");
	(void)fflush(stdout);
	while (!stopped && fgets(line, sizeof(line), stdin))
		obey(line);
	(void)bpf_xdp_detach((int)ifindex, XDP_FLAGS_DRV_MODE, NULL);
	sink_xdp__destroy(bpf);
	return 0;
}
