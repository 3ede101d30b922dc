/* SPDX-License-Identifier: BSD-2-Clause */
#include "ike/core/count.h"

#define IKE_COUNT_TEXT(name, text) [IKE_COUNT_##name] = (text),

const char *ike_count_name(unsigned which)
{
	static const char *const names[IKE_COUNT_MAX] = {IKE_COUNTS(IKE_COUNT_TEXT)};

	return which < IKE_COUNT_MAX ? names[which] : 0;
}
