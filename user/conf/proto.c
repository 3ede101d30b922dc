/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of IP protocols (IANA assigned numbers; the names are those of spec section 3.6). */
#include "user/conf/value.h"

static const struct {
	const char *name;
	int number;
} protos[] = {
	{"ddp", 37},	    {"dccp", 33},    {"egp", 8},	{"encap", 98},	    {"etherip", 97},
	{"ggp", 3},	    {"gre", 47},     {"hmp", 20},	{"icmp", 1},	    {"icmpv6", 58},
	{"idpr-cmtp", 38},  {"igmp", 2},     {"ipencap", 4},	{"ipip", 94},	    {"ipsec-ah", 51},
	{"ipsec-esp", 50},  {"ipv6", 41},    {"ipv6-frag", 44}, {"ipv6-nonxt", 59}, {"ipv6-opts", 60},
	{"ipv6-route", 43}, {"iso-tp4", 29}, {"l2tp", 115},	{"ospf", 89},	    {"pim", 103},
	{"pup", 12},	    {"rdp", 27},     {"rspf", 73},	{"rsvp", 46},	    {"sctp", 132},
	{"st", 5},	    {"tcp", 6},	     {"udp", 17},	{"udp-lite", 136},  {"vmtp", 81},
	{"vrrp", 112},	    {"xns-idp", 22}, {"xtp", 36},
};

const char *val_proto_at(unsigned i, int *number)
{
	if (i >= ARRAY_SIZE(protos))
		return NULL;
	*number = protos[i].number;
	return protos[i].name;
}

int val_proto_number(const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(protos); i++)
		if (strcmp(protos[i].name, name) == 0)
			return protos[i].number;
	return -1;
}

const char *val_proto_name(int number)
{
	for (unsigned i = 0; i < ARRAY_SIZE(protos); i++)
		if (protos[i].number == number)
			return protos[i].name;
	return NULL;
}
