#include "hx_protocols.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

static const struct {
	uint8_t number;
	const char *name, *also;
} rows[] = {
	{ 0, "ip", NULL },
	{ 1, "icmp", NULL },
	{ 2, "igmp", NULL },
	{ 3, "ggp", NULL },
	{ 4, "ipencap", "ipv4" },
	{ 5, "st2", NULL },
	{ 6, "tcp", NULL },
	{ 7, "cbt", NULL },
	{ 8, "egp", NULL },
	{ 9, "igp", NULL },
	{ 10, "bbn-rcc", NULL },
	{ 11, "nvp", NULL },
	{ 12, "pup", NULL },
	{ 13, "argus", NULL },
	{ 14, "emcon", NULL },
	{ 15, "xnet", NULL },
	{ 16, "chaos", NULL },
	{ 17, "udp", NULL },
	{ 18, "mux", NULL },
	{ 19, "dcn", NULL },
	{ 20, "hmp", NULL },
	{ 21, "prm", NULL },
	{ 22, "xns-idp", NULL },
	{ 23, "trunk-1", NULL },
	{ 24, "trunk-2", NULL },
	{ 25, "leaf-1", NULL },
	{ 26, "leaf-2", NULL },
	{ 27, "rdp", NULL },
	{ 28, "irtp", NULL },
	{ 29, "iso-tp4", NULL },
	{ 30, "netblt", NULL },
	{ 31, "mfe-nsp", NULL },
	{ 32, "merit-inp", NULL },
	{ 33, "dccp", NULL },
	{ 34, "3pc", NULL },
	{ 35, "idpr", NULL },
	{ 36, "xtp", NULL },
	{ 37, "ddp", NULL },
	{ 38, "idpr-cmtp", NULL },
	{ 39, "tp++", NULL },
	{ 40, "il", NULL },
	{ 41, "ipv6", NULL },
	{ 42, "sdrp", NULL },
	{ 43, "ipv6-route", NULL },
	{ 44, "ipv6-frag", NULL },
	{ 45, "idrp", NULL },
	{ 46, "rsvp", NULL },
	{ 47, "gre", NULL },
	{ 48, "dsr", NULL },
	{ 49, "bna", NULL },
	{ 50, "esp", NULL },
	{ 51, "ah", NULL },
	{ 52, "i-nlsp", NULL },
	{ 53, "swipe", NULL },
	{ 54, "narp", NULL },
	{ 55, "mobile", NULL },
	{ 56, "tlsp", NULL },
	{ 57, "skip", NULL },
	{ 58, "ipv6-icmp", "icmp6" },
	{ 59, "ipv6-nonxt", NULL },
	{ 60, "ipv6-opts", NULL },
	{ 62, "cftp", NULL },
	{ 64, "sat-expak", NULL },
	{ 65, "kryptolan", NULL },
	{ 66, "rvd", NULL },
	{ 67, "ippc", NULL },
	{ 69, "sat-mon", NULL },
	{ 70, "visa", NULL },
	{ 71, "ipcv", NULL },
	{ 72, "cpnx", NULL },
	{ 73, "cphb", NULL },
	{ 74, "wsn", NULL },
	{ 75, "pvp", NULL },
	{ 76, "br-sat-mon", NULL },
	{ 77, "sun-nd", NULL },
	{ 78, "wb-mon", NULL },
	{ 79, "wb-expak", NULL },
	{ 80, "iso-ip", NULL },
	{ 81, "vmtp", NULL },
	{ 82, "secure-vmtp", NULL },
	{ 83, "vines", NULL },
	{ 84, "ttp", NULL },
	{ 85, "nsfnet-igp", NULL },
	{ 86, "dgp", NULL },
	{ 87, "tcf", NULL },
	{ 88, "eigrp", NULL },
	{ 89, "ospf", NULL },
	{ 90, "sprite-rpc", NULL },
	{ 91, "larp", NULL },
	{ 92, "mtp", NULL },
	{ 93, "ax.25", NULL },
	{ 94, "ipip", NULL },
	{ 95, "micp", NULL },
	{ 96, "scc-sp", NULL },
	{ 97, "etherip", NULL },
	{ 98, "encap", NULL },
	{ 100, "gmtp", NULL },
	{ 101, "ifmp", NULL },
	{ 102, "pnni", NULL },
	{ 103, "pim", NULL },
	{ 104, "aris", NULL },
	{ 105, "scps", NULL },
	{ 106, "qnx", NULL },
	{ 107, "a/n", NULL },
	{ 108, "ipcomp", NULL },
	{ 109, "snp", NULL },
	{ 110, "compaq-peer", NULL },
	{ 111, "ipx-in-ip", NULL },
	{ 112, "carp", "vrrp" },
	{ 113, "pgm", NULL },
	{ 115, "l2tp", NULL },
	{ 116, "ddx", NULL },
	{ 117, "iatp", NULL },
	{ 118, "stp", NULL },
	{ 119, "srp", NULL },
	{ 120, "uti", NULL },
	{ 121, "smp", NULL },
	{ 122, "sm", NULL },
	{ 123, "ptp", NULL },
	{ 124, "isis", NULL },
	{ 125, "fire", NULL },
	{ 126, "crtp", NULL },
	{ 127, "crudp", NULL },
	{ 128, "sscopmce", NULL },
	{ 129, "iplt", NULL },
	{ 130, "sps", NULL },
	{ 131, "pipe", NULL },
	{ 132, "sctp", NULL },
	{ 133, "fc", NULL },
	{ 134, "rsvp-e2e-ignore", NULL },
	{ 135, "mobility-header", NULL },
	{ 136, "udplite", NULL },
	{ 137, "mpls-in-ip", NULL },
	{ 138, "manet", NULL },
	{ 139, "hip", NULL },
	{ 140, "shim6", NULL },
	{ 141, "wesp", NULL },
	{ 142, "rohc", NULL },
	{ 240, "pfsync", NULL },
	/* setkey(8)'s own, behind the table. */
	{ 4, "ip4", NULL },
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

/* The word itself or, as protocols(5) has it for a second name, the word in
 * capitals. */
static bool
same(const char *word, const char *name, size_t len)
{
	bool capitals = true;

	if (word == NULL || strlen(word) != len)
		return false;
	for (size_t i = 0; i < len; i++)
		capitals =
		    capitals && name[i] == toupper((unsigned char)word[i]);
	return capitals || memcmp(word, name, len) == 0;
}

int
hx_protocol_number(const char *name, size_t len)
{
	for (size_t i = 0; i < N_ROWS; i++)
		if (same(rows[i].name, name, len) ||
		    same(rows[i].also, name, len))
			return rows[i].number;
	return -1;
}

const char *
hx_protocol_name(uint8_t number)
{
	for (size_t i = 0; i < N_ROWS; i++)
		if (rows[i].number == number)
			return rows[i].name;
	return NULL;
}
