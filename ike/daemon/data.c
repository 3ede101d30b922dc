/* SPDX-License-Identifier: BSD-2-Clause */
/* Events of the data plane (user/base/datasock.h): acquires, limits of SAs, moved peers. Connects again each second while xdp-ipsecd is not there. */
#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ike/daemon/daemon.h"
#include "user/base/datasock.h"

#define RETRY_MS 1000
#define EVENTS_A_TURN 64

static void retry(struct daemon *d);

static int addr_of(struct xi_addr *to, uint8_t *family, const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	memset(to, 0, sizeof(*to));
	*family = s && strchr(s, ':') ? XI_IP6 : XI_IP4;
	return s && inet_pton(*family == XI_IP4 ? AF_INET : AF_INET6, s, to) == 1 ? 0 : -EINVAL;
}

static long long number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static void on_acquire(struct daemon *d, const json_t *o)
{
	struct xi_selector pkt = {.flags = XI_SEL_PROTO | XI_SEL_SRC_PORT | XI_SEL_DST_PORT};
	uint8_t src_family;

	if (addr_of(&pkt.src, &src_family, o, "src-address") || addr_of(&pkt.dst, &pkt.family, o, "dst-address") ||
	    src_family != pkt.family)
		return;
	pkt.src_len = pkt.dst_len = pkt.family == XI_IP4 ? 32 : 128;
	pkt.proto = (uint8_t)number(o, "protocol");
	pkt.src_port = htons((uint16_t)number(o, "src-port"));
	pkt.dst_port = htons((uint16_t)number(o, "dst-port"));
	ike_acquire(d->ike, (uint32_t)number(o, "slot"), (uint32_t)number(o, "generation"), &pkt);
}

static void on_sa(struct daemon *d, enum ike_sa_event ev, const json_t *o)
{
	uint64_t ref = XI_REF((uint32_t)number(o, "slot"), (uint32_t)number(o, "generation"));
	struct ike_end seen = {0};

	if (json_is_true(json_object_get(o, "manual")))
		return;
	if (ev == IKE_SA_MAPPING && addr_of(&seen.a.addr, &seen.a.family, o, "address"))
		return;
	seen.port = (uint16_t)number(o, "port");
	ike_sa_event(d->ike, ev, ref, ev == IKE_SA_MAPPING ? &seen : NULL);
}

static void on_event(struct daemon *d, const char *text, size_t len)
{
	static const struct {
		const char *name;
		enum ike_sa_event ev;
	} sa_events[] = {{"sa-soft", IKE_SA_SOFT},
			 {"sa-hard", IKE_SA_HARD},
			 {"sa-sequence", IKE_SA_SEQUENCE},
			 {"natt-mapping", IKE_SA_MAPPING}};
	json_error_t je;
	json_t *o = json_loadb(text, len, 0, &je);
	const char *kind = json_string_value(json_object_get(o, "event"));

	if (kind && strcmp(kind, "acquire") == 0)
		on_acquire(d, o);
	for (size_t i = 0; kind && i < ARRAY_SIZE(sa_events); i++)
		if (strcmp(kind, sa_events[i].name) == 0)
			on_sa(d, sa_events[i].ev, o);
	json_decref(o);
}

static void gone(uv_handle_t *h)
{
	retry(h->data);
}

static void on_readable(uv_poll_t *h, int status, int events)
{
	char buf[DATASOCK_MSG_MAX];
	struct daemon *d = h->data;
	ssize_t n = 1;

	(void)status;
	(void)events;
	for (unsigned i = 0; i < EVENTS_A_TURN && (n = recv(d->data_fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0; i++)
		on_event(d, buf, (size_t)n);
	daemon_rearm(d);
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	log_warning("xdp-ipsecd has gone: nothing is negotiated for packets until it is back");
	uv_close((uv_handle_t *)h, gone);
	close(d->data_fd);
	d->data_fd = -1;
}

static void dialed(struct daemon *d, int fd)
{
	static const char ask[] = "{\"cmd\":\"subscribe\",\"acquire\":true}";

	if (fd >= 0 &&
	    (send(fd, ask, sizeof(ask) - 1, MSG_NOSIGNAL) < 0 || uv_poll_init(&d->loop, &d->data_poll, fd))) {
		close(fd);
		fd = -EIO;
	}
	if (fd < 0) {
		if (!d->data_said)
			log_warning("xdp-ipsecd does not run: nothing is negotiated for packets until it does");
		d->data_said = 1;
		retry(d);
		return;
	}
	d->data_said = 0;
	d->data_fd = fd;
	d->data_poll.data = d;
	(void)uv_poll_start(&d->data_poll, UV_READABLE, on_readable);
	log_info("connected to xdp-ipsecd");
}

static void on_retry(uv_timer_t *t)
{
	root_dial(t->data, dialed);
}

static void retry(struct daemon *d)
{
	(void)uv_timer_start(&d->data_retry, on_retry, RETRY_MS, 0);
}

void data_start(struct daemon *d)
{
	d->data_retry.data = d;
	(void)uv_timer_init(&d->loop, &d->data_retry);
	root_dial(d, dialed);
}

void data_close(struct daemon *d)
{
	if (d->data_fd >= 0)
		close(d->data_fd);
	d->data_fd = -1;
}
