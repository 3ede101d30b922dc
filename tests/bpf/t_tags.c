/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Drivers that take VLAN tags out of received frames and do not let go: attach says so, for each kind of tag, and goes on. veth lets go, so
 * ioctl(2) is ours here: what it would switch off is left on, with the answer of the driver at hand.
 */
#include "tests/bpf/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "user/attach/attach.h"
#include "user/cli/cli.h"
#include "user/conf/exec.h"

#define WORDS 8

/* What the driver does: its answer, and which of the features (by the kernel's numbers) it keeps. */
static struct {
	int rc; /* 0, or the errno of each refusal */
	const char *keeps[2];
	unsigned set; /* calls that would have changed one that it keeps */
} driver;

static int feature_no(int fd, const struct ifreq *of, const char *feature)
{
	static struct {
		struct ethtool_gstrings head;
		char text[WORDS * 32][ETH_GSTRING_LEN];
	} names;
	struct ifreq ifr = *of;

	names.head = (struct ethtool_gstrings){.cmd = ETHTOOL_GSTRINGS, .string_set = ETH_SS_FEATURES};
	ifr.ifr_data = (void *)&names;
	if (syscall(SYS_ioctl, fd, SIOCETHTOOL, &ifr) < 0)
		return -1;
	for (unsigned i = 0; i < names.head.len; i++)
		if (strcmp(names.text[i], feature) == 0)
			return (int)i;
	return -1;
}

static int keep(int fd, struct ifreq *ifr, struct ethtool_sfeatures *set)
{
	for (unsigned i = 0; i < ARRAY_SIZE(driver.keeps); i++) {
		int no = driver.keeps[i] ? feature_no(fd, ifr, driver.keeps[i]) : -1;

		if (no < 0 || !(set->features[no / 32].valid >> (no % 32) & 1))
			continue;
		driver.set++;
		set->features[no / 32].valid &= ~(1U << (no % 32));
		if (driver.rc) {
			errno = driver.rc;
			return -1;
		}
	}
	return (int)syscall(SYS_ioctl, fd, SIOCETHTOOL, ifr);
}

/* In place of the C library's, for the whole program. */
int ioctl(int fd, unsigned long request, ...)
{
	struct ifreq *ifr;
	va_list ap;

	va_start(ap, request);
	ifr = va_arg(ap, struct ifreq *);
	va_end(ap);
	if (request == SIOCETHTOOL && *(const uint32_t *)ifr->ifr_data == ETHTOOL_SFEATURES)
		return keep(fd, ifr, (void *)ifr->ifr_data);
	return (int)syscall(SYS_ioctl, fd, request, ifr);
}

/* `interface attach lan0`, or with attached: `interface detach lan0`. Standard error goes to said. */
static void reconcile(struct cli *cli, struct conf *before, struct conf *after, char *said, size_t size)
{
	int tmp = open("/run/said", O_CREAT | O_TRUNC | O_RDWR, 0600), err = dup(2);
	struct conf_err e = {0};
	ssize_t n;
	int rc;

	assert_true(tmp >= 0 && err >= 0);
	(void)dup2(tmp, 2);
	rc = nic_reconcile(cli, before, after, &e);
	(void)dup2(err, 2);
	n = pread(tmp, said, size - 1, 0);
	said[n > 0 ? n : 0] = '\0';
	(void)close(tmp);
	(void)close(err);
	if (rc)
		fail_msg("%s", e.text);
}

#define CTAG "rx-vlan-hw-parse"
#define STAG "rx-vlan-stag-hw-parse"
#define C_SAID "takes VLAN tags out"
#define S_SAID "takes 802.1ad VLAN tags out"

static void t_driver_that_does_not_let_go(void **state)
{
	/* A driver that has a feature fixed gives no error: the kernel leaves it out of the request. */
	static const struct {
		int rc;
		const char *keeps[2];
		uint32_t flags;
		unsigned c_said, s_said;
	} rows[] = {{0, {NULL}, XI_IF_RXVLAN | XI_IF_RXSTAG, 0, 0},
		    {0, {STAG}, XI_IF_RXVLAN | XI_IF_STAGS_GONE, 0, 1},
		    {EOPNOTSUPP, {CTAG}, XI_IF_TAGS_GONE | XI_IF_RXSTAG, 1, 0},
		    {0, {CTAG, STAG}, XI_IF_TAGS_GONE | XI_IF_STAGS_GONE, 1, 1}};
	const uint32_t mask = XI_IF_RXVLAN | XI_IF_RXSTAG | XI_IF_TAGS_GONE | XI_IF_STAGS_GONE;

	(void)state;
	for (size_t row = 0; row < ARRAY_SIZE(rows); row++) {
		struct conf none, one;
		struct conf_err ce = {0};
		struct cli cli = {.maps = sandbox_maps(16, 16)};
		const char *attach = "interface attach lan0";
		char said[1024];
		int slot;

		cli.paths = cli.maps->paths;
		driver.rc = rows[row].rc;
		memcpy(driver.keeps, rows[row].keeps, sizeof(driver.keeps));
		driver.set = 0;
		conf_init(&none);
		conf_init(&one);
		if (exec_script(&one, attach, strlen(attach), NULL, &ce))
			fail_msg("%s", ce.text);
		reconcile(&cli, &none, &one, said, sizeof(said));
		slot = attach_find(cli.maps, "lan0");
		assert_true(slot > 0);
		assert_int_equal(cli.maps->ifs[slot].flags & mask, rows[row].flags);
		assert_int_equal(strstr(said, C_SAID) != NULL, rows[row].c_said);
		assert_int_equal(strstr(said, S_SAID) != NULL, rows[row].s_said);
		assert_int_equal(driver.set, rows[row].c_said + rows[row].s_said);
		reconcile(&cli, &one, &none, said, sizeof(said));
		assert_string_equal(said, "");
		assert_int_equal(driver.set,
				 rows[row].c_said + rows[row].s_said); /* what stayed on is not switched on */
		conf_free(&one);
		conf_free(&none);
		maps_close(cli.maps);
	}
	driver.keeps[0] = driver.keeps[1] = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(t_driver_that_does_not_let_go)};

	sandbox_enter();
	sandbox_must(system("ip link add lan0 type veth peer name lan1 && ip link set lan0 up && ip link set lan1 up"),
		     "veth");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
