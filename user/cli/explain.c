/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `explain`: what would become of a packet in clear, asked of the maps in force with the same search that the programs use, and said
 * step by step in the order in which they judge (spec 13.3, 13.4): one of our addresses? what does the policy say about its
 * arrival, what about its departure, by which SA, to which next hop, is there a worker to seal it, how large may it be? The interfaces
 * are those of the kernel's routes to source and destination. Nothing is sent, nothing is counted.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <ifaddrs.h>
#include <inttypes.h>
#include <jansson.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdarg.h>

#include "user/base/clock.h"
#include "user/base/datasock.h"
#include "user/cli/cli.h"
#include "user/ipsec/ipsec.h"
#include "user/route/nat.h"
#include "user/route/query.h"

/* An interface that the packet passes. */
struct side {
	char name[IF_NAMESIZE];
	bool tagged;		/* a VLAN device on it */
	const struct xi_if *at; /* NULL: not attached */
};

struct explain {
	const struct cli *cli;
	const struct maps *m;
	bool daemon; /* xdp-ipsecd runs */
	bool stays;  /* forwarding is off where it arrives */
	bool own;    /* the source is an address of this host */
	bool many;   /* multicast or a broadcast */
	struct side arrival, departure;
	json_t *steps; /* [{"step":.., "text":..}] */
	struct xi_tuple t;
	bool in, out;  /* directions asked for */
	bool portless; /* a port is not given, though the protocol has them */
};

enum { ARG_SRC, ARG_DST, ARG_PROTO, ARG_SPORT, ARG_DPORT, ARG_DIRECTION, ARGS };
static const char *const arg_names[ARGS] = {"src-address", "dst-address", "protocol",
					    "src-port",	   "dst-port",	  "direction"};

static void __printf(3, 4) say(struct explain *x, const char *step, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)json_array_append_new(x->steps, json_pack("{s:s,s:s}", "step", step, "text", text));
}

/* The last step. */
static void dropped(struct explain *x, enum xi_drop why)
{
	uint64_t reason[XI_REASON_MAX] = {0}, stat[XI_STAT_MAX];

	reason[why] = 1;
	stats_from_reasons(stat, reason);
	for (unsigned i = 0; i < XI_STAT_MAX; i++)
		if (stat[i])
			say(x, "verdict", "dropped, %s: %s", stat_name(i), reason_text(why));
}

/* --- arguments --- */

static int bad_value(struct conf_err *e, const char *name)
{
	return conf_fail(e, CONF_E_VALUE, "invalid value for argument %s", name);
}

static int read_port(const char *s, const char *name, __be16 *port, struct conf_err *e)
{
	int64_t n;

	if (val_int_parse(&n, s))
		return bad_value(e, name);
	if (n < 0 || n > 65535)
		return conf_fail(e, CONF_E_RANGE, "value of %s out of range (0..65535)", name);
	*port = htons((uint16_t)n);
	return 0;
}

static int read_proto(struct explain *x, const char *s, struct conf_err *e)
{
	int64_t n = val_proto_number(s);

	if (n < 0 && val_int_parse(&n, s))
		return bad_value(e, arg_names[ARG_PROTO]);
	if (n < 0 || n > 255)
		return conf_fail(e, CONF_E_RANGE, "value of protocol out of range (0..255)");
	x->t.proto = (uint8_t)n;
	return 0;
}

static int read_addr(struct explain *x, const char *s, int which, struct conf_err *e)
{
	struct ip_addr a;

	if (val_addr_parse(&a, s) || !a.family)
		return bad_value(e, arg_names[which]);
	if (x->t.family && x->t.family != a.family)
		return conf_fail(e, CONF_E_FAIL, "failure: address families do not match");
	x->t.family = a.family;
	*(which == ARG_SRC ? &x->t.src : &x->t.dst) = a.a;
	return 0;
}

static int read_value(struct explain *x, int which, const char *s, struct conf_err *e)
{
	switch (which) {
	case ARG_SRC:
	case ARG_DST:
		return read_addr(x, s, which, e);
	case ARG_PROTO:
		return read_proto(x, s, e);
	case ARG_SPORT:
		return read_port(s, arg_names[which], &x->t.src_port, e);
	case ARG_DPORT:
		return read_port(s, arg_names[which], &x->t.dst_port, e);
	default:
		x->in = strcmp(s, "in") == 0;
		x->out = strcmp(s, "out") == 0;
		return x->in || x->out ? 0 : conf_fail(e, CONF_E_ENUM, "input does not match any value of direction");
	}
}

static bool has_ports(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_UDPLITE || proto == IPPROTO_SCTP ||
	       proto == IPPROTO_DCCP;
}

static int read_args(struct explain *x, const struct cmd *cmd, struct conf_err *e)
{
	unsigned given = 0;

	x->in = x->out = true;
	for (unsigned i = 0; i < cmd->narg; i++) {
		const struct cmd_arg *a = &cmd->arg[i];
		int which = 0;

		while (which < ARGS && (!a->name || strcmp(a->name, arg_names[which]) != 0))
			which++;
		if (which == ARGS)
			return conf_fail_at(e, CONF_E_END, a->name ? a->name : a->value, a->line, a->col);
		given |= 1u << which;
		if (read_value(x, which, a->value, e))
			return -EINVAL;
	}
	for (int i = ARG_SRC; i <= ARG_PROTO; i++)
		if (!(given >> i & 1))
			return conf_fail(e, CONF_E_MISS, "missing value(s) of argument(s) %s", arg_names[i]);
	if (!has_ports(x->t.proto) && (given & (1u << ARG_SPORT | 1u << ARG_DPORT)))
		return conf_fail(e, CONF_E_FAIL,
				 "failure: ports can only be matched for tcp, udp, udp-lite, sctp and dccp");
	x->portless = has_ports(x->t.proto) && (~given & (1u << ARG_SPORT | 1u << ARG_DPORT));
	return 0;
}

/* --- steps --- */

static bool is_ours(const struct explain *x, const struct xi_addr *a, uint8_t family)
{
	struct xi_local_key key = {.addr = *a, .family = family};
	__u32 ifindex;

	return bpf_map_lookup_elem(x->m->fd[MAP_LOCAL], &key, &ifindex) == 0;
}

static bool is_local(const struct explain *x, const struct xi_addr *a)
{
	return is_ours(x, a, x->t.family);
}

/* Multicast, or the limited broadcast. */
static bool is_to_many(const struct xi_tuple *t)
{
	__u32 first = ntohl(t->dst.w[0]);

	return t->family == XI_IP4 ? first >> 28 == 0xe || first == INADDR_BROADCAST : first >> 24 == 0xff;
}

/* xi_local has the broadcast addresses of this host's networks, too: what is there and no address of an interface is one. */
static bool is_broadcast(const struct xi_tuple *t)
{
	struct ifaddrs *all, *i;
	bool found = false;

	if (t->family != XI_IP4 || getifaddrs(&all))
		return false;
	for (i = all; i; i = i->ifa_next)
		if (i->ifa_addr && i->ifa_addr->sa_family == AF_INET &&
		    ((const struct sockaddr_in *)i->ifa_addr)->sin_addr.s_addr == t->dst.w[0])
			found = true;
	freeifaddrs(all);
	return !found;
}

/* The interface by which the kernel's route leads to an address; the one below a VLAN device. */
static void find_side(const struct explain *x, struct rt_query *q, const struct xi_addr *to, struct side *s)
{
	const struct rt_key key = {.dst = *to, .family = x->t.family};
	struct rt_answer a = {0};
	__u32 ifindex;

	rt_query_hop(q, &key, &a);
	ifindex = a.hop.tx_ifindex ? a.hop.tx_ifindex : a.hop.ifindex;
	s->tagged = ifindex != a.hop.ifindex;
	if (!ifindex || !if_indextoname(ifindex, s->name))
		return;
	for (unsigned i = XI_IF_INTERNAL + 1; i < XI_IF_MAX; i++)
		if (x->m->ifs[i].ifindex == ifindex && (x->m->ifs[i].flags & XI_IF_ATTACHED))
			s->at = &x->m->ifs[i];
}

static void find_sides(struct explain *x)
{
	struct rt_query q;

	x->own = is_local(x, &x->t.src);
	if (rt_query_open(&q, NULL))
		return;
	if (!x->own)
		find_side(x, &q, &x->t.src, &x->arrival);
	find_side(x, &q, &x->t.dst, &x->departure);
	rt_query_close(&q);
}

/* Queues with a socket. The masks of a daemon that died are not true any more. */
static unsigned served(const struct explain *x, const struct xi_if *at)
{
	return x->daemon ? (unsigned)__builtin_popcount(at->sock_mask) : 0;
}

static void say_side(struct explain *x, const char *step, const struct side *s, const char *if_not)
{
	if (!s->name[0])
		say(x, step, "no route says by which interface");
	else if (!s->at)
		say(x, step, "%s, not attached: %s", s->name, if_not);
	else
		say(x, step, "%s, attached, %u of %u queue(s) served", s->name, served(x, s->at), s->at->queues);
}

/*
 * Who seals it: the worker of the queue it arrives on, or of the internal pair for what comes by way of the stack. false: nobody does, and the
 * verdict is said.
 */
static bool is_served(struct explain *x)
{
	bool by_stack = x->own || !x->arrival.at;
	const struct xi_if *at = by_stack ? &x->m->ifs[XI_IF_INTERNAL] : x->arrival.at;
	unsigned n = served(x, at);

	if (!n)
		dropped(x, XI_DROP_OUT_NO_WORKER);
	else if (n < at->queues)
		say(x, "queues", "what arrives on one without a socket is dropped, out-errors");
	return n != 0;
}

static const char *action_name(unsigned action)
{
	return action == XI_ACTION_NONE ? "none" : action == XI_ACTION_DISCARD ? "discard" : "encrypt";
}

static const char *level_name(unsigned level)
{
	return level == XI_LEVEL_USE ? "use" : level == XI_LEVEL_REQUIRE ? "require" : "unique";
}

static void prefix_text(char *buf, size_t size, const struct xi_selector *s, const struct xi_addr *a, uint8_t len)
{
	struct ip_prefix p = {.a = *a, .family = s->family, .len = len};

	val_prefix_format(buf, size, &p);
}

/* The policy that decides in a direction. 1 found, 0 none, negative: the search failed and the verdict is said. */
static int policy_step(struct explain *x, int dir, struct xi_rule *r)
{
	int rc = class_match(x->m, &x->t, dir, r);
	char src[64], dst[64];
	const struct xi_policy *p;

	if (rc < 0) {
		dropped(x, dir == XI_DIR_IN ? XI_DROP_IN_LOOKUP : XI_DROP_OUT_LOOKUP);
		return rc;
	}
	if (!rc) {
		say(x, dir == XI_DIR_IN ? "policy in" : "policy out", "none matches");
		return 0;
	}
	p = &x->m->spd[r->slot];
	prefix_text(src, sizeof(src), &p->sel, &p->sel.src, p->sel.src_len);
	prefix_text(dst, sizeof(dst), &p->sel, &p->sel.dst, p->sel.dst_len);
	say(x, dir == XI_DIR_IN ? "policy in" : "policy out", "*%X at place %u: %s -> %s action=%s%s%s%s%s", p->id,
	    r->order, src, dst, action_name(r->action), r->action == XI_ACTION_ENCRYPT ? " level=" : "",
	    r->action == XI_ACTION_ENCRYPT ? level_name(r->level) : "", p->flags & XI_POL_DYNAMIC ? ", dynamic" : "",
	    !(p->flags & XI_POL_INACTIVE) ? ""
	    : r->level == XI_LEVEL_USE	  ? ", inactive: lets pass"
					  : ", inactive: fails closed");
	return 1;
}

/* Spec 13.4 for a packet that arrives in clear. false: that was its end. */
static bool inbound(struct explain *x)
{
	struct xi_rule r;
	int rc;

	if (!x->own)
		say_side(x, "arrives-by", &x->arrival, "no policy is enforced there");
	if (!x->own && x->arrival.name[0] && !x->arrival.at)
		return true;
	rc = policy_step(x, XI_DIR_IN, &r);
	if (rc <= 0)
		return rc == 0;
	if (r.action == XI_ACTION_NONE || (r.action == XI_ACTION_ENCRYPT && r.level == XI_LEVEL_USE)) {
		say(x, "arrival", "accepted in clear");
		return true;
	}
	dropped(x, r.action == XI_ACTION_DISCARD ? XI_DROP_IN_BLOCKED : XI_DROP_IN_PLAIN);
	return false;
}

/* One SA of the way out. NULL: there is none, or not any more. */
static const struct xi_sa *sa_step(struct explain *x, uint64_t ref, enum xi_drop *why)
{
	static const char *const state[] = {"", "larval", "mature", "dying", "dead"};
	const struct xi_sa *sa = sad_get(x->m, ref);
	struct ip_addr src, dst;
	char a[64], b[64];
	enum xi_sa_state st;

	*why = XI_DROP_OUT_NO_SA;
	if (!sa) {
		say(x, "sa", "none is installed");
		return NULL;
	}
	st = sad_state_rt(sa, &x->m->sa_rt[XI_REF_SLOT(ref)], clock_ns());
	src = (struct ip_addr){.a = sa->src, .family = sa->family};
	dst = (struct ip_addr){.a = sa->dst, .family = sa->family};
	val_addr_format(a, sizeof(a), &src);
	val_addr_format(b, sizeof(b), &dst);
	say(x, "sa", "%s spi=0x%X %s -> %s %s mode, %s", sa->proto == XI_PROTO_AH ? "ah" : "esp", ntohl(sa->spi), a, b,
	    sa->mode == XI_MODE_TUNNEL ? "tunnel" : "transport", state[st]);
	if (st == XI_SA_DEAD)
		*why = XI_DROP_OUT_EXPIRED;
	return st == XI_SA_MATURE || st == XI_SA_DYING ? sa : NULL;
}

/* The route to the peer. 0 and its MTU, or -1: nothing leaves. */
static int hop_step(struct explain *x, const struct xi_sa *sa, uint32_t *mtu)
{
	const struct rt_key key = {.dst = sa->dst, .src = sa->src, .family = sa->family};
	struct rt_answer a = {0};
	struct rt_query q;
	char name[IF_NAMESIZE] = "?", via[64];
	struct ip_addr gw;
	struct err e = {0};

	if (rt_query_open(&q, &e)) {
		say(x, "next-hop", "cannot be asked: %s", e.text);
		return -1;
	}
	rt_query_hop(&q, &key, &a);
	rt_query_close(&q);
	if (a.hop.kind == RT_NONE) {
		say(x, "next-hop", "no route to the peer%s",
		    is_ours(x, &sa->src, sa->family) ? "" : " from the SA's source, which is no address of this host");
		return -1;
	}
	gw = (struct ip_addr){.a = a.via, .family = (uint8_t)a.via_family};
	val_addr_format(via, sizeof(via), &gw);
	(void)if_indextoname(a.hop.ifindex, name);
	say(x, "next-hop", "%s by %s%s", via, name,
	    a.hop.kind == RT_TX	     ? ""
	    : a.hop.kind == RT_LOCAL ? ", this host"
				     : ", by way of the stack");
	*mtu = a.hop.mtu ? a.hop.mtu : 1500;
	return 0;
}

static uint32_t path_mtu(const struct explain *x, const struct xi_sa *sa, uint32_t mtu)
{
	uint32_t less = (uint32_t)mtu_learned(x->m, (uint32_t)(sa - x->m->sad), clock_ns());

	return less && less < mtu ? less : mtu;
}

/* Spec 6.3: transport mode is for its two ends. */
static bool is_between(const struct explain *x, const struct xi_addr *src, const struct xi_addr *dst)
{
	return memcmp(src, &x->t.src, sizeof(*src)) == 0 && memcmp(dst, &x->t.dst, sizeof(*dst)) == 0;
}

static void protect_by_sas(struct explain *x, const struct xi_policy *p)
{
	enum xi_drop why;
	const struct xi_sa *esp = sa_step(x, p->sa_out, &why), *ah = NULL, *outer = esp;
	uint32_t mtu = 0;
	size_t inner;

	if (esp && p->sa_out_ah) {
		ah = sa_step(x, p->sa_out_ah, &why);
		outer = ah;
	}
	if (!esp || (p->sa_out_ah && !ah)) {
		dropped(x, why);
		return;
	}
	if (esp->mode == XI_MODE_TRANSPORT && !is_between(x, &esp->src, &esp->dst)) {
		dropped(x, XI_DROP_OUT_ENDPOINTS);
		return;
	}
	if (hop_step(x, outer, &mtu)) {
		dropped(x, XI_DROP_OUT_NO_ROUTE);
		return;
	}
	if (!is_served(x))
		return;
	mtu = path_mtu(x, outer, mtu);
	inner = ah ? ipsec_inner_mtu(ah, mtu) : mtu;
	inner = ipsec_inner_mtu(esp, inner);
	say(x, "mtu", "%zu bytes fit into the path's %u", inner, mtu);
	say(x, "verdict", "protected and sent");
}

/* Spec 13.3 step 6, as bpf/lib/policy.h has it: somebody negotiates, and not enough packets wait already. */
static bool may_wait(const struct explain *x, const struct xi_policy *p)
{
	if (p->sa_out || !x->m->meta->acquire || (p->flags & XI_POL_INACTIVE) || p->manual_sa[0])
		return false;
	return p->held < XI_HOLD_PACKETS || p->acquire_ns <= clock_ns();
}

/* What is asked for is not negotiated: xdp-iked has nobody to ask. */
static bool no_peer(struct explain *x, const struct xi_policy *p)
{
	struct ip_addr peer = {.a = p->sa_dst, .family = p->sa_family};
	char text[INET6_ADDRSTRLEN];

	if (!peer.family || p->sa_out || p->manual_sa[0] || ike_has_peer(x->cli, &peer))
		return false;
	val_addr_format(text, sizeof(text), &peer);
	say(x, "sa", "none: no enabled peer item has %s, nothing is negotiated", text);
	return true;
}

static void protect(struct explain *x, const struct xi_policy *p)
{
	if (x->many || no_peer(x, p)) {
		dropped(x, XI_DROP_OUT_NO_SA);
	} else if (!may_wait(x, p)) {
		protect_by_sas(x, p);
	} else if (p->mode == XI_MODE_TRANSPORT && !is_between(x, &p->sa_src, &p->sa_dst)) {
		dropped(x, XI_DROP_OUT_ENDPOINTS);
	} else {
		say(x, "sa", "none yet: xdp-iked is asked for one");
		if (is_served(x))
			say(x, "verdict",
			    "waits for the SA, with two more packets of this policy at most, then it is sent");
	}
}

/* Spec 13.5: IKE and IPsec of this host's own. Port 4500 is like any other until NAT traversal is in use. */
static bool is_ike(const struct explain *x, __be16 port)
{
	return x->t.proto == IPPROTO_UDP && (port == htons(500) || (port == htons(4500) && x->m->meta->natt));
}

static bool is_ipsec(const struct xi_tuple *t)
{
	return t->proto == IPPROTO_ESP || t->proto == IPPROTO_AH;
}

static bool bypasses(struct explain *x, bool local)
{
	if (local && (is_ike(x, x->t.dst_port) || is_ipsec(&x->t)))
		say(x, "verdict",
		    is_ipsec(&x->t) ? "IPsec for this host: opened by the SA of its SPI, dropped if there is none"
				    : "delivered to this host: IKE, which no policy looks at");
	else if (x->own && (is_ike(x, x->t.src_port) || is_ipsec(&x->t)))
		say(x, "verdict",
		    is_ipsec(&x->t) ? "sent: IPsec of this host's own, if its SPI is one of ours"
				    : "sent: IKE of this host's own, which no policy looks at");
	else
		return false;
	return true;
}

/*
 * What forwarding and conntrack have to do with it, for what arrives (bpf/xdp_ingress.bpf.c: source_ok(), is_nat_answer()). Without the way back
 * that rp_filter asks for there is no interface in x->arrival. true: that was its end.
 */
static bool arrival_ends(struct explain *x)
{
	const uint32_t off = x->t.family == XI_IP4 ? XI_IF_NO_FORWARD : XI_IF_NO_FORWARD6;
	struct xi_nat_key key = {.src = x->t.src, .dst = x->t.dst, .family = x->t.family};
	__u32 seconds;

	if (!x->arrival.at)
		return false;
	if (x->m->meta->nat_back && bpf_map_lookup_elem(x->m->fd[MAP_NAT], &key, &seconds) == 0) {
		say(x, "nat",
		    "between these two there is a connection with destination NAT: the stack translates its answers "
		    "back first");
		say(x, "verdict", "judged when it leaves, by the addresses it has then");
		return true;
	}
	if (!x->arrival.tagged && (x->arrival.at->flags & off)) {
		say(x, "forwarding", "is off on %s (sysctl net.ipv%d.conf.%s.forwarding)", x->arrival.name,
		    x->t.family == XI_IP4 ? 4 : 6, x->arrival.name);
		x->stays = true;
	}
	return false;
}

/* Spec 27.4: what is not stopped or protected by these addresses is asked again by those it leaves with. */
static void in_clear(struct explain *x, const char *why)
{
	struct rt_nat n;

	if (x->stays) {
		say(x, "verdict", "not forwarded: the stack drops it (%s)", why);
		return;
	}
	rt_nat_open(&n);
	if (rt_nat_present(&n))
		say(x, "nat",
		    "this host has NAT: if it translates the packet, the policies are asked again by the "
		    "addresses it leaves with");
	rt_nat_close(&n);
	say(x, "verdict", "sent in clear: %s", why);
}

static void outbound(struct explain *x)
{
	const struct xi_policy *p;
	struct xi_rule r;
	int rc;

	say_side(x, "leaves-by", &x->departure, "no policy is enforced there on what the stack sends");
	rc = policy_step(x, XI_DIR_OUT, &r);
	if (rc < 0)
		return;
	if (rc && (x->own || !x->arrival.at) && x->departure.name[0] && !x->departure.at) {
		say(x, "verdict", "sent in clear: %s, by which it leaves, is not attached", x->departure.name);
		return;
	}
	if (!rc || r.action == XI_ACTION_NONE) {
		in_clear(x, rc ? "policy action none" : "no policy matches");
		return;
	}
	if (r.action == XI_ACTION_DISCARD) {
		dropped(x, XI_DROP_OUT_BLOCKED);
		return;
	}
	p = &x->m->spd[r.slot];
	if (__atomic_load_n(&p->gen, __ATOMIC_ACQUIRE) != r.gen) {
		dropped(x, XI_DROP_OUT_POLICY_DEAD);
		return;
	}
	if (r.level == XI_LEVEL_USE && ((p->flags & XI_POL_INACTIVE) || (!p->sa_out && !x->many)))
		in_clear(x, "level use without an SA");
	else if (x->stays && (p->sa_out || may_wait(x, p)))
		dropped(x, XI_DROP_OUT_SOURCE);
	else
		protect(x, p);
}

static void explain_packet(struct explain *x)
{
	bool local = is_local(x, &x->t.dst);

	if (x->portless)
		say(x, "ports", "not all given: 0 for the rest, which no policy with that port matches");
	x->many = is_to_many(&x->t);
	find_sides(x);
	if (local && x->own && is_broadcast(&x->t)) {
		x->many = true;
		local = false;
	}
	say(x, "destination", "%s",
	    local     ? "an address of this host: no outbound policy applies"
	    : x->many ? "many: no SA carries it"
		      : "another host");
	if (bypasses(x, local))
		return;
	/* What this host sends arrives nowhere, unless one asks for just that. */
	if (x->in && !(x->own && x->out) && !inbound(x))
		return;
	if (local || !x->out)
		say(x, "verdict", local ? "delivered to this host" : "goes on");
	else if (x->own || x->many || !x->in || !arrival_ends(x))
		outbound(x);
}

static void print_steps(const struct cli *cli, const json_t *steps)
{
	json_t *step;
	size_t i;

	if (cli->json) {
		(void)json_dumpf(steps, stdout, JSON_INDENT(1));
		(void)putchar('\n');
		return;
	}
	json_array_foreach(steps, i, step)(void) printf("%12s: %s\n", json_string_value(json_object_get(step, "step")),
							json_string_value(json_object_get(step, "text")));
}

int explain_command(struct cli *cli, const struct cmd *cmd, struct conf_err *e)
{
	char reply[DATASOCK_MSG_MAX];
	struct explain x = {0};
	int rc = read_args(&x, cmd, e), pid;

	if (!rc)
		rc = cli_open_maps(cli, e);
	if (!rc && !cli->maps)
		rc = conf_fail(e, CONF_E_SYSTEM, "no interface is attached: no policy is enforced");
	if (!rc) {
		x.cli = cli;
		x.m = cli->maps;
		x.daemon = daemon_status(cli, reply, &pid) == DAEMON_RUNS;
		x.steps = json_array();
		explain_packet(&x);
		print_steps(cli, x.steps);
		json_decref(x.steps);
	}
	cli_close_maps(cli);
	return rc;
}
