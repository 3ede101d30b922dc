/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The command language: any bytes are read as a script; whatever is accepted must survive planning, printing in every style, and an
 * export that reads back to the same configuration and the same export.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/fuzz/fuzz.h"
#include "user/conf/exec.h"
#include "user/conf/plan.h"
#include "user/conf/print.h"

static int route(const struct ip_addr *dst, struct ip_addr *src)
{
	*src = *dst;
	return 0;
}

static char *export_text(const struct conf *c, size_t *len)
{
	const struct export_opt opt = {0};
	char *text = NULL;
	FILE *f = open_memstream(&text, len);

	if (!f)
		abort();
	export_conf(f, c, MENU_MAX, &opt);
	(void)fclose(f);
	return text;
}

static void check_round_trip(const struct conf *c)
{
	size_t len, again_len;
	char *text = export_text(c, &len), *again;
	struct conf_err e = {0};
	struct conf back;

	conf_init(&back);
	if (exec_script(&back, text, len, NULL, &e)) {
		(void)fprintf(stderr, "export does not read back: %s\n%s\n", e.text, text);
		abort();
	}
	again = export_text(&back, &again_len);
	if (len != again_len || memcmp(text, again, len)) {
		(void)fprintf(stderr, "second export differs:\n%s\n%s\n", text, again);
		abort();
	}
	free(text);
	free(again);
	conf_free(&back);
}

static void print_all(const struct conf *c)
{
	static const enum menu_id lists[] = {MENU_POLICY, MENU_MANUAL_SA, MENU_INTERFACE, MENU_PEER, MENU_PROPOSAL};
	FILE *f = fopen("/dev/null", "we");

	for (size_t l = 0; f && l < ARRAY_SIZE(lists); l++)
		for (int style = PRINT_DEFAULT; style <= PRINT_JSON; style++) {
			const struct print_opt opt = {.style = (enum print_style)style, .width = 80};
			unsigned count = c->list[lists[l]].count;
			struct print_row *row = calloc(count + 1, sizeof(*row));

			for (unsigned i = 0; row && i < count; i++)
				row[i] = (struct print_row){.it = c->list[lists[l]].item[i], .number = i};
			if (row)
				print_items(f, lists[l], row, count, &opt);
			free(row);
		}
	if (f)
		(void)fclose(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf_err e = {0};
	struct plan plan = {0};
	struct conf c;

	conf_init(&c);
	if (exec_script(&c, (const char *)data, size, NULL, &e) == 0) {
		check_round_trip(&c);
		if (plan_build(&plan, &c, route) == 0)
			plan_free(&plan);
		print_all(&c);
	} else if (!e.text[0]) {
		abort(); /* refused without a word */
	}
	conf_free(&c);
	return 0;
}
