/* SPDX-License-Identifier: BSD-2-Clause */
/* The printouts of the spec, character for character (sections 3.4, 6.1, 7.1, 9, 10, 12), and the other styles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
/* cmocka needs the ones above */
#include <cmocka.h>
#include <jansson.h>

#include "user/conf/exec.h"
#include "user/conf/print.h"

static char out[20000];

static void print_list(enum menu_id menu, struct conf *c, struct print_opt opt)
{
	struct print_row row[16];
	FILE *f = fmemopen(out, sizeof(out), "w");

	assert_non_null(f);
	for (unsigned i = 0; i < c->list[menu].count; i++)
		row[i] = (struct print_row){.it = c->list[menu].item[i], .number = i};
	if (!opt.width)
		opt.width = 80;
	print_items(f, menu, row, c->list[menu].count, &opt);
	(void)fclose(f);
}

static void run(struct conf *c, const char *script)
{
	struct conf_err e = {0};

	conf_init(c);
	if (exec_script(c, script, strlen(script), NULL, &e))
		fail_msg("%s", e.text);
}

#define OFFICE1                                                                                                        \
	"policy add src-address=10.1.202.0/24 dst-address=10.1.101.0/24 tunnel=yes sa-src-address=198.51.100.1 "       \
	"sa-dst-address=203.0.113.1\n"

static void t_spec_6_1_printout(void **state)
{
	struct conf c;

	(void)state;
	run(&c, OFFICE1 "policy add src-address=198.51.100.1/32 dst-address=192.0.2.71/32 protocol=udp "
			"sa-src-address=198.51.100.1 sa-dst-address=192.0.2.71");
	c.list[MENU_POLICY].item[1]->flags |= ITEM_DYNAMIC;
	print_list(MENU_POLICY, &c, (struct print_opt){0});
	assert_string_equal(out, "Flags: X - disabled, D - dynamic, I - inactive \n"
				 " 0    src-address=10.1.202.0/24 src-port=any dst-address=10.1.101.0/24 \n"
				 "      dst-port=any protocol=all action=encrypt level=require \n"
				 "      ipsec-protocols=esp tunnel=yes sa-src-address=198.51.100.1 \n"
				 "      sa-dst-address=203.0.113.1 proposal=default priority=0 \n"
				 "\n"
				 " 1  D src-address=198.51.100.1/32 src-port=any dst-address=192.0.2.71/32 \n"
				 "      dst-port=any protocol=udp action=encrypt level=require \n"
				 "      ipsec-protocols=esp tunnel=no sa-src-address=198.51.100.1 \n"
				 "      sa-dst-address=192.0.2.71 \n");
	conf_free(&c);
}

static void t_spec_7_1_printout(void **state)
{
	struct conf_policy *p;
	struct conf c;

	(void)state;
	run(&c, OFFICE1);
	p = CONF_ITEM(conf_policy, &c.list[MENU_POLICY], 0);
	p->ph2_state = PH2_ESTABLISHED;
	p->stat = (struct xi_polstat){.in_transformed = 1204, .out_dropped = 2, .out_transformed = 1207};
	print_list(MENU_POLICY, &c, (struct print_opt){.stats = true});
	assert_string_equal(out, "Flags: X - disabled, D - dynamic, I - inactive \n"
				 " 0    src-address=10.1.202.0/24 src-port=any dst-address=10.1.101.0/24 \n"
				 "      dst-port=any protocol=all ph2-state=established in-accepted=0 \n"
				 "      in-dropped=0 in-transformed=1204 out-accepted=0 out-dropped=2 \n"
				 "      out-transformed=1207 \n");
	conf_free(&c);
}

#define OFFICE2 "manual-sa add name=office2 esp-auth-algorithm=sha1 esp-enc-algorithm=aes-128 esp-spi=0x101/0x100"

/* The spec's keys are shortened with dots; ours are short ones of the same look. */
static void t_spec_9_printout(void **state)
{
	struct conf c;

	(void)state;
	run(&c, OFFICE2 " esp-auth-key=001122/203344 esp-enc-key=00aa0f/10bb1f");
	print_list(MENU_MANUAL_SA, &c, (struct print_opt){.show_sensitive = true});
	assert_string_equal(out, "Flags: X - disabled, I - invalid \n"
				 " 0   name=\"office2\" ah-algorithm=null/null esp-auth-algorithm=sha1/sha1 \n"
				 "     esp-enc-algorithm=aes-128/aes-128 ah-key=\"\" esp-auth-key=\"001122/203344\" \n"
				 "     esp-enc-key=\"00aa0f/10bb1f\" ah-spi=0x100/0x100 esp-spi=0x101/0x100 \n"
				 "     lifetime=0s \n");
	/* keys only when asked for, in every style; properties of ours only when they have a value of their own */
	for (int style = PRINT_DEFAULT; style <= PRINT_JSON; style++) {
		print_list(MENU_MANUAL_SA, &c, (struct print_opt){.style = style});
		assert_null(strstr(out, "001122"));
		assert_null(strstr(out, "10bb1f"));
	}
	conf_free(&c);
	run(&c, OFFICE2 " replay=128");
	print_list(MENU_MANUAL_SA, &c, (struct print_opt){0});
	assert_non_null(strstr(out, "replay=128 \n"));
	conf_free(&c);
}

static struct conf_sa *new_sa(struct conf *c)
{
	struct conf_sa *s = (struct conf_sa *)conf_item_new(MENU_INSTALLED_SA);
	struct conf_err e = {0};

	setenv("TZ", "UTC", 1);
	tzset();
	s->it.flags = ITEM_ESP | ITEM_PFS;
	s->spi = 0xE727605;
	assert_int_equal(val_addr_parse(&s->src.addr, "203.0.113.1"), 0);
	assert_int_equal(val_addr_parse(&s->dst.addr, "198.51.100.1"), 0);
	strcpy(s->auth_alg, "sha1");
	strcpy(s->enc_alg, "3des");
	s->replay = 128;
	s->state = XI_SA_MATURE - 1;
	assert_int_equal(val_key_parse(&s->auth_key, "ecc5f4aee1b297739ec88e324d7cfb8594aa6c35", 40), 0);
	assert_int_equal(val_key_parse(&s->enc_key, "d6943b8ea582582e449bde085c9471ab0b209783c9eb4bbd", 48), 0);
	s->addtime = 1353704112;
	s->expires_in = 29 * 60 + 49;
	s->add_lifetime[0] = 24 * 60;
	s->add_lifetime[1] = 30 * 60;
	s->usetime = 1353704123;
	s->last_use = s->usetime + 60;
	s->bytes = 128;
	(void)e;
	conf_insert(c, MENU_INSTALLED_SA, &s->it, 0);
	return s;
}

static void t_spec_10_printout(void **state)
{
	struct conf_sa *s;
	struct conf c;

	(void)state;
	conf_init(&c);
	s = new_sa(&c);
	print_list(MENU_INSTALLED_SA, &c, (struct print_opt){.show_sensitive = true});
	assert_string_equal(out, "Flags: A - AH, E - ESP, P - pfs \n"
				 " 0 EP spi=0xE727605 src-address=203.0.113.1 dst-address=198.51.100.1 \n"
				 "      auth-algorithm=sha1 enc-algorithm=3des replay=128 state=mature \n"
				 "      auth-key=\"ecc5f4aee1b297739ec88e324d7cfb8594aa6c35\" \n"
				 "      enc-key=\"d6943b8ea582582e449bde085c9471ab0b209783c9eb4bbd\" \n"
				 "      addtime=nov/23/2012 20:55:12 expires-in=29m49s add-lifetime=24m/30m \n"
				 "      usetime=nov/23/2012 20:55:23 use-lifetime=0s/0s current-bytes=128 \n"
				 "      lifebytes=0/0 \n");
	/* absent: unlimited, unused, AH; masked unless asked for; detail has more */
	s->expires_in = s->usetime = -1;
	s->enc_key.len = 0xff;
	s->it.flags = ITEM_AH | ITEM_MANUAL;
	print_list(MENU_INSTALLED_SA, &c, (struct print_opt){0});
	assert_null(strstr(out, "expires-in"));
	assert_null(strstr(out, "usetime"));
	assert_null(strstr(out, "enc-key"));
	assert_null(strstr(out, "ecc5f4"));
	assert_null(strstr(out, "direction"));
	assert_non_null(strstr(out, " 0 A  spi="));
	print_list(MENU_INSTALLED_SA, &c, (struct print_opt){.style = PRINT_DETAIL});
	assert_non_null(strstr(out, " 0 AM spi="));
	assert_non_null(strstr(out, "last-use=nov/23/2012 20:56:23 "));
	s->last_use = -1;
	assert_non_null(strstr(out, "mode=transport reqid=0 "));
	assert_non_null(strstr(out, "offload=none "));
	print_list(MENU_INSTALLED_SA, &c, (struct print_opt){.style = PRINT_DETAIL, .width = 500});
	assert_non_null(strstr(out, " esn=no natt=no mtu=unknown path-mtu=unknown policy="));
	/* spec 3.6: the port is shown only for UDP-encapsulated SAs; ours of no concern: no mtu of an inbound SA */
	s->src.port = 4500;
	s->mtu = s->path_mtu = -1;
	s->natt = s->esn = 1;
	assert_int_equal(val_addr_parse(&s->dst.addr, "2001:db8::1"), 0);
	s->dst.port = 40000;
	print_list(MENU_INSTALLED_SA, &c, (struct print_opt){.style = PRINT_DETAIL, .width = 500});
	assert_null(strstr(out, "last-use"));
	assert_non_null(strstr(out, "src-address=203.0.113.1:4500 dst-address=[2001:db8::1]:40000 "));
	assert_non_null(strstr(out, "esn=yes natt=yes policy="));
	s->mtu = 1400;
	s->lifepackets[1] = 10;
	print_list(MENU_INSTALLED_SA, &c, (struct print_opt){.style = PRINT_DETAIL, .width = 500});
	assert_non_null(strstr(out, " mtu=1400 "));
	assert_non_null(strstr(out, " lifepackets=0/10 "));
	conf_free(&c);
}

static void t_spec_12_printout(void **state)
{
	struct conf_statistics st = {0};
	const struct print_opt opt = {.width = 80};
	FILE *f = fmemopen(out, sizeof(out), "w");
	unsigned lines = 0;

	(void)state;
	st.count[24] = 12345678901234ull;
	print_singleton(f, MENU_STATISTICS, &st.it, &opt);
	(void)fclose(f);
	for (const char *s = out; *s; s++)
		lines += *s == '\n';
	assert_int_equal(lines, 25);
	assert_memory_equal(out, "                  in-errors: 0\n           in-buffer-errors: 0\n", 62);
	assert_non_null(strstr(out, "\n          out-policy-errors: 12345678901234\n"));
}

static void t_spec_3_4_styles(void **state)
{
	struct conf c;
	json_t *j;

	(void)state;
	run(&c, "policy\nadd comment=\"two words\" disabled=yes src-address=1.2.3.4\nadd action=none");
	c.list[MENU_POLICY].item[1]->flags |= ITEM_INACTIVE;
	print_list(MENU_POLICY, &c, (struct print_opt){0});
	assert_non_null(strstr(out, " 0 X  ;;; two words\n      src-address=1.2.3.4/32 "));
	assert_non_null(strstr(out, "\n 1 I  src-address=0.0.0.0/32 "));
	print_list(MENU_POLICY, &c, (struct print_opt){.style = PRINT_TERSE});
	assert_memory_equal(out, " 0 X  comment=\"two words\" src-address=1.2.3.4/32 ", 49);
	assert_int_equal(strchr(strchr(out, '\n') + 1, '\n')[1], '\0');
	print_list(MENU_POLICY, &c, (struct print_opt){.style = PRINT_COUNT});
	assert_string_equal(out, "2\n");
	print_list(MENU_POLICY, &c, (struct print_opt){.style = PRINT_BRIEF});
	assert_non_null(strstr(out, "\n #    SRC-ADDRESS "));
	assert_non_null(strstr(out, "\n 0 X  1.2.3.4/32 "));
	print_list(MENU_POLICY, &c, (struct print_opt){.style = PRINT_VALUE_LIST});
	assert_non_null(strstr(out, "    src-address: 1.2.3.4/32 0.0.0.0/32\n"));
	print_list(MENU_POLICY, &c, (struct print_opt){.style = PRINT_JSON});
	j = json_loads(out, 0, NULL);
	assert_int_equal(json_array_size(j), 2);
	assert_string_equal(json_string_value(json_object_get(json_array_get(j, 0), ".id")), "*1");
	assert_true(json_is_true(json_object_get(json_array_get(j, 0), "disabled")));
	assert_int_equal(json_integer_value(json_object_get(json_array_get(j, 0), "priority")), 0);
	json_decref(j);
	conf_free(&c);
}

/* What others wrote into a comment does not reach the terminal as control characters, nor breaks lines or JSON. */
static void t_hostile_comment(void **state)
{
	struct conf c;
	json_t *j;

	(void)state;
	run(&c, "policy add comment=\"a\\nb\\1B[2J\\FF\"");
	for (int style = PRINT_DEFAULT; style <= PRINT_JSON; style++) {
		print_list(MENU_POLICY, &c, (struct print_opt){.style = style});
		assert_null(strchr(out, 0x1b));
		assert_null(strchr(out, '\xff'));
		assert_null(strstr(out, "a\nb"));
	}
	j = json_loads(out, 0, NULL);
	assert_non_null(j);
	json_decref(j);
	conf_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_spec_6_1_printout), cmocka_unit_test(t_spec_7_1_printout),
		cmocka_unit_test(t_spec_9_printout),   cmocka_unit_test(t_spec_10_printout),
		cmocka_unit_test(t_spec_12_printout),  cmocka_unit_test(t_spec_3_4_styles),
		cmocka_unit_test(t_hostile_comment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
