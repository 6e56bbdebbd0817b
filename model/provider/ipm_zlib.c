/*
 * Implementation notes.  Both streams are kept and reset per packet, so a
 * packet allocates nothing and knows no other [IPCOMP-RFC2394-01].  They are
 * raw [IPCOMP-RFC2394-04].  [freebsd opencrypto/deflate.c] Compression uses a
 * window of 12 bits, level and strategy default, memory level 8; inflation the
 * full 15 bits.
 */
#include "ipm_zlib.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>
#define ZLIB_CONST 1
#include <zlib.h>

struct streams {
	struct ipm_alloc alloc;
	z_stream in, out;
};

/* zlib frees without telling a size: it stands in front of each block. */
union block {
	size_t size; /* of the whole */
	max_align_t align;
};

static voidpf
take(voidpf opaque, uInt items, uInt size)
{
	const struct ipm_alloc *a = opaque;
	union block *b;
	size_t n;

	if (size != 0 && items > (SIZE_MAX - sizeof *b) / size)
		return NULL;
	n = sizeof *b + (size_t)items * size;
	b = a->resize(a->ctx, NULL, 0, n);
	if (b == NULL)
		return NULL;
	b->size = n;
	return b + 1;
}

static void
give_back(voidpf opaque, voidpf p)
{
	const struct ipm_alloc *a = opaque;
	union block *b = (union block *)p - 1;

	(void)a->resize(a->ctx, b, b->size, 0);
}

static enum ipm_err
compress_one(const struct ipm_compressor *c, struct ipm_span src, uint8_t *dst,
    size_t *len)
{
	z_stream *z = &((struct streams *)c->ctx)->out;
	uint8_t beyond;
	int r;

	if (src.len > UINT_MAX || *len > UINT_MAX)
		return IPM_ERR_BADARG;
	if (deflateReset(z) != Z_OK)
		return IPM_ERR_PROVIDER;
	z->next_in = src.p;
	z->avail_in = (uInt)src.len;
	z->next_out = dst;
	z->avail_out = (uInt)*len;
	r = deflate(z, Z_FINISH);
	*len -= z->avail_out;
	if (r == Z_OK && z->avail_out == 0) {
		/* Full: is there one octet more, or only the end? */
		z->next_out = &beyond;
		z->avail_out = 1;
		r = deflate(z, Z_FINISH);
		if (z->avail_out == 0)
			return IPM_ERR_NOBUF;
	}
	if (r == Z_STREAM_END)
		return IPM_OK;
	return r == Z_OK || r == Z_BUF_ERROR ? IPM_ERR_NOBUF : IPM_ERR_PROVIDER;
}

static enum ipm_err
decompress_one(const struct ipm_compressor *c, struct ipm_span src,
    uint8_t *dst, size_t *len)
{
	z_stream *z = &((struct streams *)c->ctx)->in;
	uint8_t beyond;
	bool full;
	int r;

	if (src.len > UINT_MAX || *len > UINT_MAX)
		return IPM_ERR_BADARG;
	if (inflateReset(z) != Z_OK)
		return IPM_ERR_PROVIDER;
	z->next_in = src.p;
	z->avail_in = (uInt)src.len;
	z->next_out = dst;
	z->avail_out = (uInt)*len;
	r = inflate(z, Z_SYNC_FLUSH);
	full = z->avail_out == 0;
	*len -= z->avail_out;
	if (r == Z_OK && full) {
		/* Full: is there one octet more, or only the end? */
		z->next_out = &beyond;
		z->avail_out = 1;
		r = inflate(z, Z_SYNC_FLUSH);
		if (z->avail_out == 0)
			return IPM_ERR_TOOBIG;
	}
	if (r == Z_MEM_ERROR)
		return IPM_ERR_NOMEM;
	/*
	 * [IPCOMP-RFC2394-10] The stream must end, and with the input.
	 */
	if (r != Z_STREAM_END || z->avail_in != 0)
		return IPM_ERR_DATA;
	return IPM_OK;
}

static void
free_streams(struct streams *s)
{
	const struct ipm_alloc a = s->alloc;

	(void)a.resize(a.ctx, s, sizeof *s, 0);
}

enum ipm_err
ipm_zlib_open(struct ipm_compressor *c, const struct ipm_alloc *alloc)
{
	struct streams *s = alloc->resize(alloc->ctx, NULL, 0, sizeof *s);

	if (s == NULL)
		return IPM_ERR_NOMEM;
	memset(s, 0, sizeof *s);
	s->alloc = *alloc;
	s->in.zalloc = s->out.zalloc = take;
	s->in.zfree = s->out.zfree = give_back;
	s->in.opaque = s->out.opaque = &s->alloc;
	if (inflateInit2(&s->in, -15) != Z_OK) {
		free_streams(s);
		return IPM_ERR_NOMEM;
	}
	if (deflateInit2(&s->out, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -12, 8,
		Z_DEFAULT_STRATEGY) != Z_OK) {
		(void)inflateEnd(&s->in);
		free_streams(s);
		return IPM_ERR_NOMEM;
	}
	*c = (struct ipm_compressor){ "zlib", s, compress_one, decompress_one };
	return IPM_OK;
}

void
ipm_zlib_close(struct ipm_compressor *c)
{
	struct streams *s = c->ctx;

	if (s == NULL)
		return;
	(void)inflateEnd(&s->in);
	(void)deflateEnd(&s->out);
	free_streams(s);
	c->ctx = NULL;
}
