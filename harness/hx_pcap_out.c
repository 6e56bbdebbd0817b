#include "hx_pcap_out.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct hx_pcap_out {
	pcap_t *p;
	pcap_dumper_t *d;
	char *path;
};

bool
hx_pcap_out_destroys(const char *out, const char *in)
{
	struct stat w, r;

	if (strcmp(out, "-") == 0 || stat(out, &w) != 0)
		return false;
	if ((strcmp(in, "-") == 0 ? fstat(STDIN_FILENO, &r) : stat(in, &r)) !=
	    0)
		return false;
	return S_ISREG(w.st_mode) && w.st_dev == r.st_dev &&
	    w.st_ino == r.st_ino;
}

struct hx_pcap_out *
hx_pcap_create(const char *path, enum hx_pcap_link link, struct hx_err *err)
{
	struct hx_pcap_out *o = calloc(1, sizeof *o);

	if (o == NULL || (o->path = strdup(path)) == NULL) {
		hx_err_set(err, path, 0, 0, "out of memory");
		free(o);
		return NULL;
	}
	o->p = pcap_open_dead_with_tstamp_precision(
	    link == HX_LINK_ENC ? DLT_ENC : DLT_RAW, 262144,
	    PCAP_TSTAMP_PRECISION_NANO);
	o->d = o->p == NULL ? NULL : pcap_dump_open(o->p, path);
	if (o->d == NULL) {
		hx_err_set(err, path, 0, 0, "cannot be written: %s",
		    o->p == NULL ? "out of memory" : strerror(errno));
		if (o->p != NULL)
			pcap_close(o->p);
		free(o->path);
		free(o);
		return NULL;
	}
	return o;
}

void
hx_pcap_write(
    struct hx_pcap_out *o, uint64_t sec, uint32_t nsec, struct ipm_span packet)
{
	struct pcap_pkthdr ph = { .caplen = (bpf_u_int32)packet.len,
		.len = (bpf_u_int32)packet.len };

	ph.ts.tv_sec = (time_t)sec;
	ph.ts.tv_usec = (suseconds_t)nsec;
	pcap_dump((u_char *)o->d, &ph, packet.p);
}

bool
hx_pcap_finish(struct hx_pcap_out *o, struct hx_err *err)
{
	bool ok = pcap_dump_flush(o->d) == 0 && !ferror(pcap_dump_file(o->d));

	if (!ok)
		hx_err_set(err, o->path, 0, 0, "cannot be written: %s",
		    strerror(errno));
	pcap_dump_close(o->d);
	pcap_close(o->p);
	free(o->path);
	free(o);
	return ok;
}
