/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one table of properties: menu, name, type, place, default, range, words, unit, help. The parser, print, export, JSON
 * and the manual page's lists come from it. A property lives at `off` in the plain struct of its menu (user/conf/conf.h).
 */
#ifndef CONF_PROPS_H
#define CONF_PROPS_H

#include "user/conf/cerr.h"
#include "user/conf/value.h"
#include "user/crypto/alg.h"

#define CONF_NAME_MAX 64 /* bytes of a name with its terminator */

enum menu_id {
	MENU_POLICY,
	MENU_MANUAL_SA,
	MENU_PEER,
	MENU_PROPOSAL,
	MENU_KEY,	  /* items are files (user/conf/cred_files.h) */
	MENU_CERTIFICATE, /* the same */
	MENU_SETTINGS,
	MENU_INTERFACE,
	MENU_INSTALLED_SA,
	MENU_REMOTE_PEERS,
	MENU_STATISTICS,
	MENU_ALGORITHMS,
	MENU_MAX
};

enum prop_type {	       /* C type at off */
		 PT_BOOL,      /* uint8_t */
		 PT_INT,       /* int64_t; `special` is a word for `special_value`, `special2` for `special2_value` */
		 PT_TIME,      /* int64_t, seconds */
		 PT_STRING,    /* char[size] */
		 PT_NAME,      /* char[size], not empty */
		 PT_ADDR,      /* struct ip_addr */
		 PT_PREFIX,    /* struct ip_prefix */
		 PT_PROTO,     /* int64_t, -1 = all */
		 PT_ENUM,      /* uint8_t: index in words; `special`: another name of words[special_value] */
		 PT_SET,       /* uint32_t: bit i is words[i] */
		 PT_REF,       /* char[size]: name of an item of menu `ref`, "" printed as `special` */
		 PT_SECRET,    /* char[size]: text, or bytes as 0x and hexadecimal digits */
		 PT_ENUM_PAIR, /* uint8_t[2]: in, out */
		 PT_ALG_PAIR,  /* uint8_t[2]: rows of the algorithm table, counted within `alg` */
		 PT_SPI_PAIR,  /* uint32_t[2] */
		 PT_KEY_PAIR,  /* struct conf_key[2] */
		 /* only shown, never read: */
		 PT_ENDPOINT,	/* struct ip_endpoint */
		 PT_COUNT,	/* uint64_t */
		 PT_HEX,	/* uint32_t: 0x8CB9B32 */
		 PT_KEY,	/* struct conf_key */
		 PT_DATE,	/* int64_t, seconds since 1970 */
		 PT_TIME_PAIR,	/* int64_t[2]: soft/hard */
		 PT_COUNT_PAIR, /* uint64_t[2]: soft/hard */
};

#define PF_MANDATORY 0x0001    /* add needs it */
#define PF_SKIP_DEFAULT 0x0002 /* printed only when it has not its default value */
#define PF_SENSITIVE 0x0004    /* masked unless show-sensitive */
#define PF_READONLY 0x0008
#define PF_HIDDEN 0x0010   /* not in property and column style: print shows it as flag or comment */
#define PF_STATS 0x0020	   /* only in `print stats` */
#define PF_SELECTOR 0x0040 /* also in `print stats` */
#define PF_DETAIL 0x0080   /* only in `print detail` */
#define PF_STATIC 0x0100   /* not shown for dynamic items */
#define PF_BRIEF 0x0200	   /* a column of `print brief` */
#define PF_OPTIONAL 0x0400 /* shown only: absent when negative, empty or (PT_KEY) of length 0xff */
#define PF_AH 0x0800	   /* PT_ALG_PAIR: algorithms of AH, too */
#define PF_WHEN 0x1000	   /* shown only while the word at when_off is number `when` */

struct prop {
	const char *name;
	enum prop_type type;
	unsigned flags;
	size_t off;
	size_t size;	     /* strings */
	const char *def;     /* default as one would type it; NULL for what is only shown */
	int64_t min, max;    /* PT_INT, PT_TIME, PT_SPI_PAIR */
	const char *special; /* word for special_value */
	int64_t special_value;
	const char *special2;
	int64_t special2_value;
	const char *const *words; /* NULL-terminated */
	enum alg_kind alg;	  /* PT_ALG_PAIR */
	enum menu_id ref;	  /* PT_REF */
	size_t when_off;	  /* PF_WHEN: a PT_ENUM */
	uint8_t when;
	const char *unit;
	const char *help;
};

struct menu_flag {
	char letter;
	uint8_t column;	  /* in the flag field */
	unsigned bit;	  /* ITEM_* */
	const char *text; /* NULL: not in the legend, shown in detail only */
};

struct menu {
	const char *name;
	const struct prop *prop;
	unsigned count;
	size_t item_size;
	bool singleton, ordered, read_only;
	unsigned flag_columns;
	struct menu_flag flag[4];
	const char *help;
};

extern const struct menu menus[MENU_MAX];

/* Exact name; NULL when the menu has none such. */
const struct prop *prop_named(const struct menu *m, const char *name);

/*
 * The one word that `input` is, or is the unambiguous beginning of: index, -1 none, -2 several. next(ctx, i) gives word i,
 * NULL behind the last.
 */
int word_match(const char *(*next)(const void *ctx, unsigned i), const void *ctx, const char *input);

/* What a user may write for a settable property: PROP_READ_*: E-END when unknown or only shown, E-AMBIG. */
const struct prop *prop_find(const struct menu *m, const char *word, struct conf_err *e, unsigned line, unsigned col);

/* Reads value into item (the struct of the menu). References are not followed here. */
int prop_parse(const struct prop *p, void *item, const char *value, struct conf_err *e) __must_check;

/* Writes the value as a script has it, without quotes. */
void prop_format(const struct prop *p, const void *item, char *buf, size_t size);

/* Word i of an enumerated property (PT_BOOL, PT_ENUM, PT_SET, PT_*_PAIR, PT_PROTO), NULL behind the last. */
const char *prop_word(const struct prop *p, unsigned i);

/* Has it the default value? */
bool prop_is_default(const struct prop *p, const void *item);

/* Have the two items the same value there? */
bool prop_same(const struct prop *p, const void *a, const void *b);

/* Fills an item with the defaults (nothing else of it is touched). */
void prop_defaults(const struct menu *m, void *item);

/* Is it to be shown at all (PF_OPTIONAL, PF_WHEN)? */
bool prop_present(const struct prop *p, const void *item);

/* Algorithm number i of a kind, NULL behind the last. */
const struct alg *prop_alg(enum alg_kind kind, unsigned i);

#endif
