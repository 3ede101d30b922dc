/* SPDX-License-Identifier: BSD-2-Clause */
/* What is refused because of several values together: one rule, one `if`, one sentence (spec sections 6.4 and 9). */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>

#include "bpf/abi/xi_alg.h"
#include "user/conf/conf.h"

#define NATT_PORT 4500 /* RFC 3948: default of natt-port */

static bool has_ports(int64_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_UDPLITE || proto == IPPROTO_SCTP ||
	       proto == IPPROTO_DCCP;
}

/* Spec 6.3: in transport mode the packets' own addresses are the ends. */
static bool one_family(const struct conf_policy *p)
{
	return (!p->sa_src.family || p->sa_src.family == p->src.family) &&
	       (!p->sa_dst.family || p->sa_dst.family == p->src.family);
}

/* What is accepted has its effect: the MSS is that of TCP in a tunnel. (What spec 6.1 has from level on is stored whatever the action.) */
static int check_mss(const struct conf_policy *p, struct conf_err *e)
{
	if (p->tcp_mss == XI_MSS_AUTO)
		return 0;
	if (p->action != XI_ACTION_ENCRYPT)
		return conf_fail(e, CONF_E_FAIL, "failure: tcp-mss needs action=encrypt; set tcp-mss=auto");
	if (p->proto >= 0 && p->proto != IPPROTO_TCP)
		return conf_fail(e, CONF_E_FAIL, "failure: tcp-mss needs protocol=all or tcp; set tcp-mss=auto");
	return 0;
}

static int no_such_name(enum menu_id menu, const char *name, struct conf_err *e)
{
	if (e->class == CONF_OK)
		(void)snprintf(e->hint, sizeof(e->hint), "there is no %s %.30s", menus[menu].name,
			       *name ? name : "\"\"");
	return conf_fail(e, CONF_E_ENUM, "input does not match any value of %s", menus[menu].name);
}

static int check_policy(const struct conf *c, const struct conf_policy *p, struct conf_err *e)
{
	if (p->src.family != p->dst.family)
		return conf_fail(e, CONF_E_FAIL, "failure: address families do not match");
	if (p->sa_src.family && p->sa_dst.family && p->sa_src.family != p->sa_dst.family)
		return conf_fail(e, CONF_E_FAIL, "failure: address families do not match");
	if (p->action == XI_ACTION_ENCRYPT && !p->tunnel && !one_family(p))
		return conf_fail(e, CONF_E_FAIL, "failure: address families do not match");
	if ((p->src_port >= 0 || p->dst_port >= 0) && !has_ports(p->proto))
		return conf_fail(e, CONF_E_FAIL,
				 "failure: ports can only be matched for tcp, udp, udp-lite, sctp and dccp");
	if (p->action == XI_ACTION_ENCRYPT && !p->protos)
		return conf_fail(e, CONF_E_FAIL, "failure: action encrypt needs ipsec-protocols");
	if (check_mss(p, e))
		return -1;
	if (conf_index_of_name(c, MENU_PROPOSAL, p->proposal) < 0)
		return no_such_name(MENU_PROPOSAL, p->proposal, e);
	if (p->manual_sa[0] && conf_index_of_name(c, MENU_MANUAL_SA, p->manual_sa) < 0)
		return no_such_name(MENU_MANUAL_SA, p->manual_sa, e);
	return 0;
}

/* Spec 9: manual keys start their counters anew after a reboot. */
static int check_counter(const struct conf_msa *m, const struct alg *a, struct conf_err *e)
{
	if (!(a->flags & (ALG_F_AEAD | ALG_F_COUNTER)) || m->unsafe_aead)
		return 0;
	return conf_fail(e, CONF_E_FAIL,
			 "failure: %s is not safe with manual keys; for laboratory use set unsafe-aead=yes", a->name);
}

static int check_algorithms(const struct conf_msa *m, int dir, struct conf_err *e)
{
	const struct alg *enc = prop_alg(ALG_ENC, m->esp_enc[dir]);
	const struct alg *auth = prop_alg(ALG_AUTH, m->esp_auth[dir]);
	const struct alg *ah = prop_alg(ALG_AUTH, m->ah_alg[dir]);

	if (check_counter(m, enc, e) || check_counter(m, auth, e) || check_counter(m, ah, e))
		return -1;
	/* RFC 4303 §2.2.1: the ICV tells whether the upper half was the right one */
	if (m->esn && alg_key_bytes(enc) && !enc->icv_len && !auth->icv_len)
		return conf_fail(e, CONF_E_FAIL, "failure: esn=yes needs an esp-auth-algorithm other than null");
	if ((enc->flags & ALG_F_AEAD) && auth->abi)
		return conf_fail(e, CONF_E_FAIL,
				 "failure: %s authenticates by itself and needs esp-auth-algorithm=null", enc->name);
	/* RFC 3686 §2.1: bits of the plaintext could be flipped at will */
	if ((enc->flags & ALG_F_COUNTER) && !(enc->flags & ALG_F_AEAD) && !auth->abi)
		return conf_fail(e, CONF_E_FAIL, "failure: %s needs an esp-auth-algorithm other than null", enc->name);
	return 0;
}

static int check_msa(const struct conf_msa *m, struct conf_err *e)
{
	if (strcmp(m->name, "none") == 0)
		return conf_fail(e, CONF_E_FAIL, "failure: the name none is reserved");
	if (m->replay > 0 && m->replay < 4)
		return conf_fail(e, CONF_E_RANGE, "value of replay out of range (4..8192)");
	/* RFC 4303 §3.4.3: the receiver tells the upper half by its window */
	if (m->esn && !m->replay)
		return conf_fail(e, CONF_E_FAIL, "failure: esn=yes needs replay of 4 bytes or more");
	if (m->natt && (prop_alg(ALG_AUTH, m->ah_alg[0])->abi || prop_alg(ALG_AUTH, m->ah_alg[1])->abi))
		return conf_fail(e, CONF_E_FAIL,
				 "failure: AH covers the addresses that NAT rewrites: nat-traversal=yes needs "
				 "ah-algorithm=null");
	for (int d = 0; d < 2; d++)
		if (check_algorithms(m, d, e))
			return -1;
	if (!m->natt && m->natt_port != NATT_PORT)
		return conf_fail(e, CONF_E_FAIL, "failure: natt-port needs nat-traversal=yes; set natt-port=%d",
				 NATT_PORT);
	if (m->ah_align8 && !prop_alg(ALG_AUTH, m->ah_alg[XI_DIR_OUT])->abi)
		return conf_fail(e, CONF_E_FAIL,
				 "failure: ah-align8=yes needs an outgoing ah-algorithm other than null");
	return 0;
}

/*
 * Spec 4.2: a name that the key menu or the certificate store does not have, or that has no private part. Only what the command names is
 * looked at: an item whose key is gone can still be edited.
 */
static int check_file_ref(const struct conf *c, const struct conf_peer *p, const char *prop, const char *name,
			  enum menu_id menu, bool private, struct conf_err *e)
{
	unsigned bit = (unsigned)(prop_named(&menus[MENU_PEER], prop) - menus[MENU_PEER].prop);
	int i;

	if (!*name || !c->creds || !(p->it.given >> bit & 1))
		return 0;
	i = conf_index_of_name(c, menu, name);
	if (i < 0 || (c->list[menu].item[i]->flags & ITEM_CRL))
		return conf_fail(e, CONF_E_ENUM, "input does not match any value of %s", prop);
	if (private && !(c->list[menu].item[i]->flags & ITEM_PRIVATE))
		return conf_fail(e, CONF_E_FAIL, "failure: no private key");
	return 0;
}

static int check_peer(const struct conf *c, const struct conf_peer *p, struct conf_err *e)
{
	if (check_file_ref(c, p, "certificate", p->certificate, MENU_CERTIFICATE, true, e) ||
	    check_file_ref(c, p, "remote-certificate", p->remote_certificate, MENU_CERTIFICATE, false, e) ||
	    check_file_ref(c, p, "key", p->key, MENU_KEY, true, e) ||
	    check_file_ref(c, p, "remote-key", p->remote_key, MENU_KEY, false, e))
		return -EINVAL;
	return 0;
}

/* Spec section 8. */
static int check_proposal(const struct conf_proposal *p, struct conf_err *e)
{
	const struct alg *enc[PROPOSAL_ALGS_MAX], *auth[PROPOSAL_ALGS_MAX];
	unsigned n_enc = conf_proposal_algs(p, ALG_ENC, enc), n_auth = conf_proposal_algs(p, ALG_AUTH, auth);

	if (!n_auth || !n_enc)
		return conf_fail(e, CONF_E_FAIL, "failure: %s must not be empty",
				 n_auth ? "enc-algorithms" : "auth-algorithms");
	if (n_enc == 1 && n_auth == 1 && enc[0]->abi == XI_ENC_NULL && auth[0]->abi == XI_AUTH_NULL)
		return conf_fail(e, CONF_E_FAIL, "failure: null encryption needs authentication");
	return 0;
}

static int check_if(const struct conf_if *i, struct conf_err *e)
{
	/* What the kernel refuses in an interface name: dev_valid_name(). */
	if (strpbrk(i->name, "/: \t\n\v\f\r") || strcmp(i->name, ".") == 0 || strcmp(i->name, "..") == 0)
		return conf_fail(e, CONF_E_VALUE, "invalid value for argument name");
	return 0;
}

int conf_check(const struct conf *c, enum menu_id menu, const struct conf_item *it, struct conf_err *e)
{
	const char *name = conf_name(menu, it);

	if (name) {
		int i = conf_index_of_name(c, menu, name);

		if (!*name)
			return conf_fail(e, CONF_E_MISS, "missing value(s) of argument(s) name");
		if (i >= 0 && c->list[menu].item[i] != it)
			return conf_fail(e, CONF_E_FAIL, "failure: already have such name");
	}
	switch (menu) {
	case MENU_POLICY:
		return check_policy(c, (const struct conf_policy *)it, e);
	case MENU_MANUAL_SA:
		return check_msa((const struct conf_msa *)it, e);
	case MENU_PEER:
		return check_peer(c, (const struct conf_peer *)it, e);
	case MENU_PROPOSAL:
		return check_proposal((const struct conf_proposal *)it, e);
	case MENU_INTERFACE:
		return check_if((const struct conf_if *)it, e);
	default:
		return 0;
	}
}
