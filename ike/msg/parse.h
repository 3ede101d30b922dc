/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the parsers of ike/msg: one for each payload whose body has fields. All return 0, or -EBADMSG with *e set. */
#ifndef IKE_MSG_PARSE_H
#define IKE_MSG_PARSE_H

#include "ike/msg/msg.h"

/* Sets what is wrong; payload and index of *e are the caller's. Returns -EBADMSG. */
int msg_refuse(struct msg_err *e, uint16_t notify, const char *what);

int msg_sa_parse(struct msg *m, struct msg_payload *p, struct msg_err *e) __must_check;
int msg_id_parse(struct msg_id *id, struct bytes body, struct msg_err *e) __must_check;
int msg_cert_parse(struct msg_payload *p, struct msg_err *e) __must_check;
int msg_notify_parse(struct msg_notify *n, struct bytes body, struct msg_err *e) __must_check;
int msg_delete_parse(struct msg_delete *d, struct bytes body, struct msg_err *e) __must_check;
int msg_nat_oa_parse(struct msg_nat_oa *oa, struct bytes body, struct msg_err *e) __must_check;
int msg_fragment_parse(struct msg_fragment *f, struct bytes body, struct msg_err *e) __must_check;

#endif
