/* SPDX-License-Identifier: BSD-2-Clause */
#include "ike/neg/check.h"

static uint64_t limit(uint64_t bytes)
{
	return bytes ? bytes : UINT64_MAX;
}

/* One row of the table in 18.1: is an offer taken; claim takes its own when the offer is longer. */
static int life_taken(enum check_mode mode, uint64_t offered, uint64_t own)
{
	if (mode == CHECK_STRICT)
		return offered <= own;
	return mode != CHECK_EXACT || offered == own;
}

static int key_taken(enum check_mode mode, unsigned offered, unsigned own)
{
	if (mode == CHECK_EXACT)
		return offered == own;
	return mode == CHECK_OBEY || offered >= own;
}

static int group_taken(enum check_mode mode, unsigned offered, unsigned own)
{
	if (mode == CHECK_OBEY || offered == own)
		return 1;
	return !own && mode != CHECK_EXACT;
}

enum check_verdict check_phase2(enum check_mode mode, const struct check_terms *offered, const struct check_terms *own,
				struct check_terms *use, int *notify)
{
	int longer = offered->life_s > own->life_s, more = limit(offered->life_bytes) > limit(own->life_bytes);

	if (!life_taken(mode, offered->life_s, own->life_s))
		return CHECK_LIFE;
	if (!life_taken(mode, limit(offered->life_bytes), limit(own->life_bytes)))
		return CHECK_BYTES;
	if (!key_taken(mode, offered->key_bits, own->key_bits))
		return CHECK_KEY;
	if (!group_taken(mode, offered->group, own->group))
		return CHECK_GROUP;
	*use = *offered;
	if (mode == CHECK_CLAIM && longer)
		use->life_s = own->life_s;
	if (mode == CHECK_CLAIM && more)
		use->life_bytes = own->life_bytes;
	*notify = mode == CHECK_CLAIM && (longer || more);
	return CHECK_TAKEN;
}

enum check_verdict check_phase1(enum check_mode mode, const struct check_terms *offered, const struct check_terms *own,
				struct check_terms *use)
{
	if (!life_taken(mode, offered->life_s, own->life_s))
		return CHECK_LIFE;
	if (!key_taken(mode, offered->key_bits, own->key_bits))
		return CHECK_KEY;
	*use = *offered;
	if (mode == CHECK_OBEY) {
		/* 16.7: a limit of our own that was not agreed on, or cannot be said in kilobytes, holds all the same */
		if (!offered->life_bytes)
			use->life_bytes = own->life_bytes;
		return CHECK_TAKEN;
	}
	/* 18.2: a shorter own lifetime is used locally, there is no notification; of byte limits the smaller one that is set. */
	use->life_s = MIN(offered->life_s, own->life_s);
	if (limit(own->life_bytes) < limit(offered->life_bytes))
		use->life_bytes = own->life_bytes;
	return CHECK_TAKEN;
}

uint32_t check_responder_lifetime(enum check_mode mode, uint32_t life_s, uint32_t own_s)
{
	if (!life_s || mode == CHECK_EXACT)
		return own_s;
	return mode == CHECK_OBEY ? life_s : MIN(life_s, own_s);
}

uint64_t check_responder_bytes(enum check_mode mode, uint64_t bytes, uint64_t own)
{
	if (!bytes || mode == CHECK_EXACT)
		return own;
	return mode == CHECK_OBEY || bytes < limit(own) ? bytes : own;
}

const char *check_verdict_text(enum check_verdict v)
{
	static const char *const text[] = {
		[CHECK_TAKEN] = "taken",    [CHECK_LIFE] = "lifetime",	 [CHECK_BYTES] = "byte limit",
		[CHECK_KEY] = "key length", [CHECK_GROUP] = "PFS group",
	};

	return text[v];
}
