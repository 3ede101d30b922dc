/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xdp-ipsec, the command line. A run: options, command (parsed whole before anything is opened), then either a view (files and
 * maps are read) or a change (change.c): one command is one transaction over file, maps and interfaces.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <jansson.h>
#include <stdio.h>

#include "user/conf/exec.h"
#include "user/conf/plan.h"
#include "user/conf/print.h"
#include "user/conf/store.h"
#include "user/maps/maps.h"

struct cli {
	struct paths paths;
	bool check_only; /* -n: change nothing */
	bool json;	 /* -j */
	bool session;	 /* commands come from standard input: numbers handed out by print stay valid */
	struct conf_numbers numbers;
	struct maps *maps; /* NULL: not opened, or there are none */
	bool entered;	   /* path_enter_bpffs() was called */
};

/* Exit codes. */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_MISUSE = 2 };

/* Runs one parsed command. 0, or negative with an error. */
int cli_run(struct cli *cli, const struct cmd *cmd, struct conf_err *e) __must_check;

/* Exit code for an error. */
int cli_exit_code(const struct conf_err *e);

/* Copies what a lower room said; permission errors get the spec's words in front. Returns -EINVAL. */
int cli_fail(struct conf_err *e, int rc, const struct err *from);

/* "warning: ..." on stderr. */
void cli_warn(const char *fmt, ...) __printf(1, 2);

/* Opens the maps if there are any: 0 with cli->maps set or NULL. Needs root. */
int cli_open_maps(struct cli *cli, struct conf_err *e) __must_check;
void cli_close_maps(struct cli *cli);

/* --- change.c: transactions --- */

int change_command(struct cli *cli, const struct cmd *cmd, struct conf_err *e) __must_check;
int change_import(struct cli *cli, const char *file, struct conf_err *e) __must_check;
int change_start(struct cli *cli, struct conf_err *e) __must_check;

/* --- batch.c: commands from standard input --- */

/* Can it be run together with others? */
bool batch_takes(const struct cmd *cmd);
/*
 * Runs the command in front of *p, which batch_takes(), and those behind it that may go with it, as one transaction; *p is behind them
 * afterwards. On an error all those ahead of the command at fault are done.
 */
int batch_run(struct cli *cli, struct parser *p, struct conf_err *e) __must_check;

/*
 * A change of files of the menus key and certificate: edit() has the lock and the configuration, those lists included; it may write the
 * files, and change peers that name them.
 */
typedef int (*change_edit_fn)(struct cli *cli, struct conf *after, void *ctx, struct conf_err *e);
int change_files(struct cli *cli, change_edit_fn edit, void *ctx, struct conf_err *e) __must_check;

/* --- key.c, cert.c --- */

struct cred_file;
int key_command(struct cli *cli, const struct cmd *cmd, struct conf_err *e) __must_check;
int cert_command(struct cli *cli, const struct cmd *cmd, struct conf_err *e) __must_check;
/* Fills the lists key and certificate from the files. */
int view_creds(const struct cli *cli, struct conf *c, struct conf_err *e) __must_check;
void cert_show(struct conf *c, const struct cred_file *f);

/* --- ike.c: xdp-iked --- */

/* Hands it the configuration as it is stored now; a warning when it cannot, but when it does not run only with enabled peers and not quiet. */
void cli_ike_reload(const struct cli *cli, const struct conf *c, bool quiet);
/* Fills the list remote-peers; empty, with a warning, when xdp-iked does not run. */
int view_remote_peers(const struct cli *cli, struct conf *c, struct conf_err *e) __must_check;
/* Spec section 10: SAs that IKE made, XI_PROTO_* or 0 for all. The maps are open. */
int cli_ike_flush(struct cli *cli, unsigned proto, struct conf_err *e) __must_check;
int kill_command(struct cli *cli, struct conf_err *e) __must_check;
/* What an operator should know of the peers and proposals that the command edited. */
void ike_warnings(const struct conf *c);
/* Has an enabled peer item that address? true also when the configuration cannot be read. */
bool ike_has_peer(const struct cli *cli, const struct ip_addr *a);

/* --- nic.c: interfaces --- */

/*
 * Makes the attached interfaces those of `after`: what is in `before` only is detached, what has ITEM_WANTED is attached. The policies
 * are in the maps already. On failure everything is as before.
 */
int nic_reconcile(struct cli *cli, const struct conf *before, const struct conf *after,
		  struct conf_err *e) __must_check;

/* Refuses changes of an attached interface that need it to be detached first. */
int nic_check(const struct cli *cli, const struct conf *before, const struct conf *after,
	      struct conf_err *e) __must_check;

/* Number of interfaces that are attached now. */
unsigned nic_attached(const struct maps *m);

/* Is it attached, and still the interface that was attached (not one made anew under its name)? */
bool nic_live(const struct maps *m, const char *name);

enum daemon_state { DAEMON_NONE, DAEMON_SILENT, DAEMON_RUNS };

/* What xdp-ipsecd does. When it runs, its status as text in reply[DATASOCK_MSG_MAX]; else in *pid who does not answer, 0 = not known. */
enum daemon_state daemon_status(const struct cli *cli, char *reply, int *pid);
/* Of xdp-iked; *status is what it says, NULL unless it runs. The caller gives it back with json_decref(). */
enum daemon_state ike_status(const struct cli *cli, json_t **status, int *pid);

/* --- views --- */

int show_print(struct cli *cli, const struct cmd *cmd, struct conf_err *e) __must_check;
int show_export(struct cli *cli, const struct cmd *cmd, struct conf_err *e) __must_check;
int show_status(struct cli *cli, struct conf_err *e) __must_check;
int flush_command(struct cli *cli, const struct cmd *cmd, struct conf_err *e) __must_check;

/* monitor.c: prints until interrupted; returns when xdp-ipsecd has ended, with an error. */
int monitor_events(struct cli *cli, struct conf_err *e) __must_check;
int monitor_drops(struct cli *cli, const struct cmd *cmd, struct conf_err *e) __must_check;

/* explain.c: what would become of a packet. */
int explain_command(struct cli *cli, const struct cmd *cmd, struct conf_err *e) __must_check;

/* Fills the list of c with the SAs of the maps (installed-sa). */
void view_sas(struct conf *c, const struct maps *m);
/* mtu.c, outbound SA in slot: the path MTU learned from ICMP, and the longest packet that fits through. 0 = unknown. u: who uses which SA. */
struct rt_query;
int64_t mtu_learned(const struct maps *m, uint32_t slot, uint64_t now);
int64_t mtu_effective(struct rt_query *q, const struct maps *m, const struct spd_users *u, uint32_t slot, uint64_t now);
/*
 * Puts the generated policies of the maps behind those of c, with ITEM_DYNAMIC. Their ids are 0x80000000 and the generation of the slot, and do
 * not count for those of others.
 */
void view_generated(struct conf *c, const struct maps *m);
/* Fills counters and ph2-state of the policies of c, generated ones too. */
void view_policy_stats(struct conf *c, const struct maps *m);
/* Fills state and sockets of the interfaces of c; adds what is attached but not stored. reply: what daemon_status() got. */
void view_interfaces(const struct cli *cli, struct conf *c, enum daemon_state daemon, const char *reply);
void view_statistics(struct conf_statistics *s, const struct maps *m);
/* Fills the list of c with the algorithms as the crypto engines of this machine do them, self-test included. */
int view_algorithm_table(struct conf *c, struct conf_err *e) __must_check;

void help_general(FILE *out);
void help_menu(FILE *out, enum node_id node);
/* Of a command, or of the menu when none is named. */
void help_command(FILE *out, const struct cmd *cmd);

/* The lists of properties as man page source (mdoc-free troff), for `xdp-ipsec --man-properties`. */
void help_man_properties(FILE *out);

#endif
