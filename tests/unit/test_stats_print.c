/* netstat's form: lines, plurals, order, histograms. */

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "harness/hx_stats.h"

static char *
printed(const struct ipm_stats *s, enum ipm_stat_group g)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	cr_assert_not_null(f);
	hx_stats_print(s, g, f);
	(void)fclose(f);
	return text;
}

/* The expected texts are those of netstat of FreeBSD 13 (usr.bin/netstat). */
Test(stats_print, ipsec)
{
	static struct ipm_stats s;
	static const char *const want[] = {
		"ipsec:\n"
		"\t1 inbound packet violated process security policy\n"
		"\t0 inbound packets failed due to insufficient memory\n"
		"\t0 invalid inbound packets\n"
		"\t2 outbound packets violated process security policy\n"
		"\t0 outbound packets with no SA available\n"
		"\t0 outbound packets failed due to insufficient memory\n"
		"\t0 outbound packets with no route available\n"
		"\t1 invalid outbound packet\n"
		"\t0 outbound packets with bundled SAs\n"
		"\t1 spd cache hit\n"
		"\t1 spd cache miss\n"
		"\t0 clusters copied during clone\n"
		"\t0 mbufs inserted during makespace\n",
		"ipsec6:\n"
		"\t0 inbound packets violated process security policy\n"
		"\t0 inbound packets failed due to insufficient memory\n"
		"\t0 invalid inbound packets\n"
		"\t0 outbound packets violated process security policy\n"
		"\t7 outbound packets with no SA available\n"
		"\t0 outbound packets failed due to insufficient memory\n"
		"\t0 outbound packets with no route available\n"
		"\t0 invalid outbound packets\n"
		"\t0 outbound packets with bundled SAs\n"
		"\t0 spd cache hits\n"
		"\t0 spd cache misses\n"
		"\t0 clusters copied during clone\n"
		"\t0 mbufs inserted during makespace\n"
	};
	char *text;

	s.v[IPM_ST_IPS4_in_polvio] = 1;
	s.v[IPM_ST_IPS4_out_polvio] = 2;
	s.v[IPM_ST_IPS4_out_inval] = 1;
	s.v[IPM_ST_IPS4_spdcache_hits] = 1;
	s.v[IPM_ST_IPS4_spdcache_misses] = 1;
	s.v[IPM_ST_IPS4_input_front] = 9; /* no line */
	s.v[IPM_ST_IPS6_out_nosa] = 7;
	for (size_t i = 0; i < 2; i++) {
		text = printed(&s, i == 0 ? IPM_SG_IPS4 : IPM_SG_IPS6);
		cr_assert_str_eq(text, want[i]);
		free(text);
	}
}

Test(stats_print, esp_and_its_histogram)
{
	static struct ipm_stats s;
	char *text;

	s.v[IPM_ST_ESP_wrap] = 1;
	s.v[IPM_ST_ESP_input] = UINT64_MAX;
	s.esp_hist[12] = 3;
	s.esp_hist[182] = 1;
	text = printed(&s, IPM_SG_ESP);
	cr_assert_str_eq(text,
	    "esp:\n"
	    "\t0 packets shorter than header shows\n"
	    "\t0 packets dropped; protocol family not supported\n"
	    "\t0 packets dropped; no TDB\n"
	    "\t0 packets dropped; bad KCR\n"
	    "\t0 packets dropped; queue full\n"
	    "\t0 packets dropped; no transform\n"
	    "\t0 packets dropped; bad ilen\n"
	    "\t1 replay counter wrap\n"
	    "\t0 packets dropped; bad encryption detected\n"
	    "\t0 packets dropped; bad authentication detected\n"
	    "\t0 possible replay packets detected\n"
	    "\t18446744073709551615 packets in\n"
	    "\t0 packets out\n"
	    "\t0 packets dropped; invalid TDB\n"
	    "\t0 bytes in\n"
	    "\t0 bytes out\n"
	    "\t0 packets dropped; larger than IP_MAXPACKET\n"
	    "\t0 packets blocked due to policy\n"
	    "\t0 crypto processing failures\n"
	    "\t0 tunnel sanity check failures\n"
	    "\tESP output histogram:\n"
	    "\t\trijndael-cbc: 3\n"
	    "\t\t#182: 1\n");
	free(text);
}

/* netstat has an order of its own for AH. */
Test(stats_print, ah)
{
	static struct ipm_stats s;
	char *text;

	s.v[IPM_ST_AH_badauth] = 1;
	s.v[IPM_ST_AH_badauthl] = 2;
	s.v[IPM_ST_AH_qfull] = 3;
	s.ah_hist[3] = 4;
	s.ah_hist_other = 5; /* no line */
	text = printed(&s, IPM_SG_AH);
	cr_assert_str_eq(text,
	    "ah:\n"
	    "\t0 packets shorter than header shows\n"
	    "\t0 packets dropped; protocol family not supported\n"
	    "\t0 packets dropped; no TDB\n"
	    "\t0 packets dropped; bad KCR\n"
	    "\t3 packets dropped; queue full\n"
	    "\t0 packets dropped; no transform\n"
	    "\t0 replay counter wraps\n"
	    "\t1 packet dropped; bad authentication detected\n"
	    "\t2 packets dropped; bad authentication length\n"
	    "\t0 possible replay packets detected\n"
	    "\t0 packets in\n"
	    "\t0 packets out\n"
	    "\t0 packets dropped; invalid TDB\n"
	    "\t0 bytes in\n"
	    "\t0 bytes out\n"
	    "\t0 packets dropped; larger than IP_MAXPACKET\n"
	    "\t0 packets blocked due to policy\n"
	    "\t0 crypto processing failures\n"
	    "\t0 tunnel sanity check failures\n"
	    "\tAH output histogram:\n"
	    "\t\thmac-sha1: 4\n");
	free(text);
}

Test(stats_print, ipcomp_has_its_histogram_in_the_middle)
{
	static struct ipm_stats s;
	char *text;

	s.ipcomp_hist[2] = 1;
	s.v[IPM_ST_IPCOMP_uncompr] = 1;
	text = printed(&s, IPM_SG_IPCOMP);
	cr_assert_str_eq(strstr(text, "\t0 crypto"),
	    "\t0 crypto processing failures\n"
	    "\tCOMP output histogram:\n"
	    "\t\tdeflate: 1\n"
	    "\t0 packets sent uncompressed; size < compr. algo. threshold\n"
	    "\t1 packet sent uncompressed; compression was useless\n");
	free(text);
}

Test(stats_print, pfkey)
{
	static struct ipm_stats s;
	char *text;

	s.v[IPM_ST_PFKEY_out_total] = 2;
	s.v[IPM_ST_PFKEY_in_target_all] = 1;
	s.pfkey_out_msgtype[3] = 1;
	s.pfkey_out_msgtype[23] = 1;
	s.pfkey_in_msgtype[14] = 6;
	text = printed(&s, IPM_SG_PFKEY);
	cr_assert_str_eq(text,
	    "pfkey:\n"
	    "\t2 requests sent from userland\n"
	    "\t0 bytes sent from userland\n"
	    "\thistogram by message type:\n"
	    "\t\tadd: 1\n"
	    "\t\t#23: 1\n"
	    "\t0 messages with invalid length field\n"
	    "\t0 messages with invalid version field\n"
	    "\t0 messages with invalid message type field\n"
	    "\t0 messages too short\n"
	    "\t0 messages with memory allocation failure\n"
	    "\t0 messages with duplicate extension\n"
	    "\t0 messages with invalid extension type\n"
	    "\t0 messages with invalid sa type\n"
	    "\t0 messages with invalid address extension\n"
	    "\t0 requests sent to userland\n"
	    "\t0 bytes sent to userland\n"
	    "\thistogram by message type:\n"
	    "\t\tx_spdadd: 6\n"
	    "\t0 messages toward single socket\n"
	    "\t1 message toward all sockets\n"
	    "\t0 messages toward registered sockets\n"
	    "\t0 messages with memory allocation failure\n");
	free(text);
}

Test(stats_print, others_by_name)
{
	static struct ipm_stats s;
	char *text;

	s.v[IPM_ST_ICMP6_canterror] = 4;
	text = printed(&s, IPM_SG_ICMP6);
	cr_assert_str_eq(
	    text, "icmp6:\n\t0 icp6s_error\n\t4 icp6s_canterror\n");
	free(text);
	cr_assert_eq(hx_stats_group("icmp6"), IPM_SG_ICMP6);
	cr_assert_eq(hx_stats_group("sctp"), IPM_N_STAT_GROUPS);
}
