/* SPDX-License-Identifier: BSD-2-Clause */
/* Events of the data plane: nobody waits for who does not read, and what is lost is counted. */
#include "tests/bpf/sandbox.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <sys/socket.h>

#include "user/worker/events.h"

static struct maps *m;
static struct events *ev;

static int setup(void **state)
{
	struct err e;

	(void)state;
	m = sandbox_maps(8, 8);
	assert_ok(events_open(&ev, m, 2, &e), &e);
	return 0;
}

static int teardown(void **state)
{
	struct paths p = m->paths;

	(void)state;
	events_close(ev);
	maps_close(m);
	return maps_unpin(&p, NULL);
}

/* Our end of a subscription. */
static int subscriber(int acquires)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	assert_int_equal(events_subscribe(ev, pair[0], acquires, 0), 0);
	assert_true(events_has(ev, pair[0]));
	return pair[1];
}

static uint64_t some_sa(void)
{
	const struct xi_sa sa = {.dir = XI_DIR_IN,
				 .proto = XI_PROTO_ESP,
				 .mode = XI_MODE_TUNNEL,
				 .family = XI_IP4,
				 .spi = htonl(0x1234),
				 .reqid = 7,
				 .src = ip4(192, 0, 2, 1),
				 .dst = ip4(192, 0, 2, 2)};
	uint64_t ref = 0;
	struct err e;

	assert_ok(spd_lock(m, &e), &e);
	assert_ok(sad_publish(m, &sa, 0, &ref, &e), &e);
	spd_unlock(m);
	return ref;
}

static struct event about(uint64_t ref, enum event_kind kind)
{
	return (struct event){.kind = (uint8_t)kind, .slot = XI_REF_SLOT(ref), .gen = XI_REF_GEN(ref)};
}

/* The next message, or NULL. */
static json_t *next(int fd)
{
	char buf[4096];
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

	return n > 0 ? json_loadb(buf, (size_t)n, 0, NULL) : NULL;
}

static const char *text_of(json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static void t_what_a_message_says(void **state)
{
	struct event what = about(some_sa(), EVENT_SA_SOFT);
	int fd = subscriber(0);
	json_t *o;

	(void)state;
	what.why = "bytes";
	events_publish(ev, &what);
	o = next(fd);
	assert_string_equal(text_of(o, "event"), "sa-soft");
	assert_string_equal(text_of(o, "limit"), "bytes");
	assert_string_equal(text_of(o, "direction"), "in");
	assert_string_equal(text_of(o, "spi"), "0x1234");
	assert_string_equal(text_of(o, "src-address"), "192.0.2.1");
	assert_int_equal(json_integer_value(json_object_get(o, "reqid")), 7);
	json_decref(o);
	what.gen++; /* of an SA that is not there any more */
	events_publish(ev, &what);
	assert_null(next(fd));
	close(fd);
}

static void t_ring_is_bounded_and_in_order(void **state)
{
	uint64_t ref = some_sa();
	struct pollfd p = {.fd = events_fd(ev), .events = POLLIN};
	int fd = subscriber(0), posted = 0, heard = 0, big = 1 << 20;
	json_t *o;

	(void)state;
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &big, sizeof(big)), 0);
	assert_int_equal(poll(&p, 1, 0), 0);
	for (; posted < 100000; posted++) {
		struct event what = about(ref, EVENT_NATT);

		what.family = XI_IP4;
		what.port = htons((uint16_t)posted);
		if (events_post(ev, 1, &what))
			break;
	}
	assert_true(posted >= 64 && posted < 100000);
	assert_int_equal(events_lost(ev), 1);
	assert_int_equal(poll(&p, 1, 0), 1);
	/* Read as they come: the ring holds more than a socket may. */
	events_drain(ev);
	while ((o = next(fd))) {
		assert_int_equal(json_integer_value(json_object_get(o, "port")), heard);
		json_decref(o);
		heard++;
	}
	assert_int_equal(heard + (int)events_lost(ev) - 1, posted);
	assert_int_equal(poll(&p, 1, 0), 0);
	assert_int_equal(events_post(ev, 1, &(struct event){.kind = EVENT_NATT}), 0); /* there is room again */
	close(fd);
}

static void t_slow_subscriber_loses_alone(void **state)
{
	const struct event what = about(some_sa(), EVENT_SA_SOFT);
	int slow = subscriber(0), quick = subscriber(0);
	int n = 0;
	json_t *o;

	(void)state;
	while (events_lost(ev) < 10 && n < 100000) { /* would hang here, if anybody waited */
		events_publish(ev, &what);
		o = next(quick);
		assert_non_null(o);
		json_decref(o);
		n++;
	}
	assert_int_equal(events_lost(ev), 10);
	close(slow);
	close(quick);
}

static void t_acquires_go_to_who_asked(void **state)
{
	struct xi_policy pol = {.sel = {.family = XI_IP4},
				.action = XI_ACTION_ENCRYPT,
				.level = XI_LEVEL_REQUIRE,
				.mode = XI_MODE_TUNNEL,
				.protos = XI_PROTOS_ESP,
				.sa_family = XI_IP4,
				.sa_dst = ip4(203, 0, 113, 1)};
	int plain = subscriber(0), ike;
	struct event what = {.kind = EVENT_ACQUIRE};
	struct err e;
	json_t *o;

	(void)state;
	assert_int_equal(m->meta->acquire, 0);
	ike = subscriber(1);
	assert_int_equal(m->meta->acquire, 1);
	assert_ok(spd_lock(m, &e), &e);
	assert_ok(spd_add(m, &pol, &what.slot, &e), &e);
	assert_ok(spd_commit(m, &e), &e);
	spd_unlock(m);
	what.gen = m->spd[what.slot].gen;
	what.t = (struct xi_tuple){.family = XI_IP4, .proto = 17, .src = ip4(10, 1, 202, 1), .src_port = htons(53)};
	events_publish(ev, &what);
	assert_null(next(plain));
	o = next(ike);
	assert_string_equal(text_of(o, "event"), "acquire");
	assert_string_equal(text_of(o, "sa-dst-address"), "203.0.113.1");
	assert_int_equal(json_integer_value(json_object_get(o, "src-port")), 53);
	json_decref(o);
	close(plain);
	close(ike);
}

static void t_subscribers_are_bounded(void **state)
{
	int ours[64], theirs[64], n = 0, pair[2];

	(void)state;
	for (;; n++) {
		assert_true(n < 64);
		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
		ours[n] = pair[1];
		theirs[n] = pair[0];
		if (events_subscribe(ev, pair[0], 1, 0))
			break;
	}
	close(theirs[n]);
	close(ours[n]);
	assert_int_equal(m->meta->acquire, n);
	events_unsubscribe(ev, theirs[0]);
	close(ours[0]);
	assert_false(events_has(ev, theirs[0]));
	assert_int_equal(m->meta->acquire, n - 1);
	close(subscriber(0)); /* its place is free */
	for (int i = 1; i < n; i++)
		close(ours[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(t_what_a_message_says, setup, teardown),
		cmocka_unit_test_setup_teardown(t_ring_is_bounded_and_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(t_slow_subscriber_loses_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(t_acquires_go_to_who_asked, setup, teardown),
		cmocka_unit_test_setup_teardown(t_subscribers_are_bounded, setup, teardown),
	};

	sandbox_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
