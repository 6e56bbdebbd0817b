/*
 * The grammar of setkey(8) and its extensions (hx_setkey.h).
 *
 * Actions convert and check what they reduce, so errors come in the order of
 * the text; a false answer has set the error already.
 *
 * Source: FreeBSD sbin/setkey/parse.y.
 */
%require "3.8"
%define api.pure full
%define api.prefix {hx_setkey_yy}
%define api.token.prefix {HX_TOK_}
%define parse.error custom
%define parse.lac full
%locations
%expect 0

%code requires {
#include "hx_setkey_int.h"

#ifndef YY_TYPEDEF_YY_SCANNER_T
#define YY_TYPEDEF_YY_SCANNER_T
typedef void *yyscan_t;
#endif
}

%param { yyscan_t scanner }
%parse-param { struct hx_setkey_ctx *c }

%union {
	struct hx_tok tok;
	enum ipm_mode mode;
}

%code {
#include <stdio.h>
#include <string.h>

#define YYSTYPE HX_SETKEY_YYSTYPE
#define YYLTYPE HX_SETKEY_YYLTYPE
#include "hx_setkey_lex.h"

/* Out of memory for the parser's stack; all else has its own words. */
static void
hx_setkey_yyerror(
    HX_SETKEY_YYLTYPE *loc, yyscan_t scanner, struct hx_setkey_ctx *c,
    const char *msg)
{
	const struct hx_tok at = { NULL, 0, (unsigned)loc->first_line,
		(unsigned)loc->first_column };

	(void)scanner;
	(void)hx_sk_fail(c, &at, "%s", msg);
}

#define OK(call) \
	do { \
		if (!(call)) \
			YYABORT; \
	} while (0)

#define OLD(number) \
	do { \
		c->cur.sa.proto = (number); \
		c->cur.sa.flags |= IPM_SAF_OLD; \
	} while (0)
}

%token END 0 "the end of the file"
%token <tok> ADD "'add'" DELETE "'delete'" DELETEALL "'deleteall'"
%token <tok> GET "'get'" FLUSH "'flush'" DUMP "'dump'"
%token <tok> SPDADD "'spdadd'" SPDDELETE "'spddelete'"
%token <tok> SPDDUMP "'spddump'" SPDFLUSH "'spdflush'" TAGGED "'tagged'"
%token <tok> ESP "'esp'" AH "'ah'" ESP_OLD "'esp-old'" AH_OLD "'ah-old'"
%token <tok> IPCOMP "'ipcomp'" TCP "'tcp'"
%token <tok> TRANSPORT "'transport'" TUNNEL "'tunnel'" ANY "'any'"
%token <tok> RANDOM_PAD "'random-pad'" SEQ_PAD "'seq-pad'"
%token <tok> ZERO_PAD "'zero-pad'" NOCYCLIC_SEQ "'nocyclic-seq'"
%token <tok> OPT_P "'-P'" OPT_E "'-E'" OPT_A "'-A'" OPT_C "'-C'" OPT_R "'-R'"
%token <tok> OPT_M "'-m'" OPT_U "'-u'" OPT_F "'-f'" OPT_SMALL_R "'-r'"
%token <tok> OPT_LH "'-lh'" OPT_LS "'-ls'" OPT_ESN "'-esn'"
%token <tok> OPT_NATT "'-natt'" OPT_SEQ "'-seq'" OPT_FLAG "'-flag'"
%token <tok> AIFLAGS "'-4', '-6', '-n'"
%token <tok> DEC "a number" HEX "a hexadecimal number"
%token <tok> STRING "an address or word" QUOTED "a quoted string"
%token <tok> COMPRESSION "the name of a compression algorithm"
%token <tok> ALGWORD "the name of an algorithm" POLICY "the text of a policy"
%token <tok> SLASH "'/'" OPEN "'['" CLOSE "']'" SEMI "';'"

%type <tok> number key
%type <mode> mode

%%

script:
	  %empty
	| script command
	;

command:
	  add addrs spi exts alg SEMI		{ OK(hx_sk_end(c)); }
	| get addrs spi exts SEMI		{ OK(hx_sk_end(c)); }
	| deleteall addrs SEMI			{ OK(hx_sk_end(c)); }
	| flush proto SEMI			{ OK(hx_sk_end(c)); }
	| spd opts selector OPT_P policy SEMI	{ OK(hx_sk_end(c)); }
	| SPDADD TAGGED QUOTED OPT_P policy SEMI {
		OK(hx_sk_tagged(c, &$2));
	}
	| spdbare SEMI				{ OK(hx_sk_end(c)); }
	;

add:
	  ADD { OK(hx_sk_begin(c, HX_SETKEY_ADD, &$1)); }
	;

get:
	  GET { OK(hx_sk_begin(c, HX_SETKEY_GET, &$1)); }
	| DELETE { OK(hx_sk_begin(c, HX_SETKEY_DELETE, &$1)); }
	;

deleteall:
	  DELETEALL { OK(hx_sk_begin(c, HX_SETKEY_DELETEALL, &$1)); }
	;

flush:
	  FLUSH { OK(hx_sk_begin(c, HX_SETKEY_FLUSH, &$1)); }
	| DUMP { OK(hx_sk_begin(c, HX_SETKEY_DUMP, &$1)); }
	;

spd:
	  SPDADD { OK(hx_sk_begin(c, HX_SETKEY_SPDADD, &$1)); }
	| SPDDELETE { OK(hx_sk_begin(c, HX_SETKEY_SPDDELETE, &$1)); }
	;

spdbare:
	  SPDDUMP { OK(hx_sk_begin(c, HX_SETKEY_SPDDUMP, &$1)); }
	| SPDFLUSH { OK(hx_sk_begin(c, HX_SETKEY_SPDFLUSH, &$1)); }
	;

opts:
	  %empty
	| opts AIFLAGS { hx_sk_aiflags(c, &$2); }
	;

addrs:
	  opts src dst proto
	;

src:
	  STRING { OK(hx_sk_addr(c, &$1, &c->cur.sa.src, &c->cur.srcs)); }
	;

dst:
	  STRING {
		OK(hx_sk_addr(c, &$1, &c->cur.sa.dst, &c->cur.dsts));
		OK(hx_sk_pair(c, &$1, &c->cur.sa.src, &c->cur.sa.dst));
	}
	;

proto:
	  %empty
	| ESP { c->cur.sa.proto = IPM_PROTO_ESP; }
	| AH { c->cur.sa.proto = IPM_PROTO_AH; }
	| ESP_OLD { OLD(IPM_PROTO_ESP); }
	| AH_OLD { OLD(IPM_PROTO_AH); }
	| IPCOMP { c->cur.sa.proto = IPM_PROTO_IPCOMP; }
	| TCP { c->cur.sa.proto = IPM_PROTO_TCP; }
	;

number:
	  DEC
	| HEX
	;

spi:
	  number { OK(hx_sk_spi(c, &$1)); }
	;

exts:
	  %empty
	| exts ext
	;

ext:
	  OPT_M mode { c->cur.sa.mode = $2; }
	| OPT_U DEC {
		uint64_t v;
		OK(hx_sk_num(c, &$2, UINT32_MAX, "the request id", &v));
		c->cur.sa.reqid = (uint32_t)v;
	}
	| OPT_SMALL_R DEC { OK(hx_sk_window(c, &$2)); }
	| OPT_F pad
	| OPT_LH DEC {
		OK(hx_sk_num(c, &$2, UINT64_MAX, "the hard lifetime",
		    &c->cur.sa.hard_add));
	}
	| OPT_LS DEC {
		OK(hx_sk_num(c, &$2, UINT64_MAX, "the soft lifetime",
		    &c->cur.sa.soft_add));
	}
	| OPT_ESN { c->cur.sa.flags |= IPM_SAF_ESN; }
	| OPT_SEQ number {
		OK(hx_sk_num(c, &$2, UINT64_MAX, "the sequence number",
		    &c->cur.sa.last_seq));
	}
	| OPT_FLAG STRING { OK(hx_sk_flag(c, &$2)); }
	| OPT_NATT STRING OPEN DEC CLOSE {
		OK(hx_sk_natt(c, &$2, &$4, true));
	} STRING OPEN DEC CLOSE {
		OK(hx_sk_natt(c, &$7, &$9, false));
	}
	;

mode:
	  TRANSPORT { $$ = IPM_MODE_TRANSPORT; }
	| TUNNEL { $$ = IPM_MODE_TUNNEL; }
	| ANY { $$ = IPM_MODE_ANY; }
	;

pad:
	  RANDOM_PAD { c->cur.sa.flags |= IPM_SAF_PAD_RANDOM; }
	| SEQ_PAD
	| ZERO_PAD { c->cur.sa.flags |= IPM_SAF_PAD_ZERO; }
	| NOCYCLIC_SEQ {
		c->cur.sa.flags &= ~(uint32_t)IPM_SAF_CYCSEQ;
	}
	;

alg:
	  OPT_E cipher
	| OPT_E cipher OPT_A auth
	| OPT_A auth
	| OPT_C comp_word raw
	;

cipher:
	  cipher_word key { OK(hx_sk_key(c, &$2, 'E')); }
	;

cipher_word:
	  ALGWORD { OK(hx_sk_alg(c, &$1, 'E')); }
	;

auth:
	  auth_word key { OK(hx_sk_key(c, &$2, 'A')); }
	;

auth_word:
	  ALGWORD { OK(hx_sk_alg(c, &$1, 'A')); }
	;

comp_word:
	  ALGWORD { OK(hx_sk_alg(c, &$1, 'C')); }
	;

key:
	  %empty { $$ = (struct hx_tok){ NULL, 0, 0, 0 }; }
	| HEX
	| QUOTED
	;

raw:
	  %empty
	| OPT_R { c->cur.sa.flags |= IPM_SAF_RAWCPI; }
	;

selector:
	  src_range dst_range upper misc
	;

src_range:
	  range {
		c->cur.src = c->range;
		c->src_side = c->side;
	}
	;

dst_range:
	  range {
		c->cur.dst = c->range;
		c->dst_side = c->side;
		OK(hx_sk_pair(c, &c->range_at, &c->cur.src.addr,
		    &c->cur.dst.addr));
	}
	;

range:
	  host prefix port
	;

host:
	  STRING { OK(hx_sk_host(c, &$1)); }
	;

prefix:
	  %empty
	| SLASH DEC { OK(hx_sk_prefix(c, &$2)); }
	;

port:
	  %empty
	| OPEN ANY CLOSE
	| OPEN DEC CLOSE { OK(hx_sk_port(c, &$2)); }
	| OPEN STRING CLOSE { OK(hx_sk_port(c, &$2)); }
	;

upper:
	  DEC { OK(hx_sk_upper(c, &$1)); }
	| STRING { OK(hx_sk_upper(c, &$1)); }
	| ANY { c->cur.upper = 255; }
	| TCP { c->cur.upper = IPM_PROTO_TCP; }
	| ESP { c->cur.upper = IPM_PROTO_ESP; }
	;

misc:
	  %empty
	| STRING { OK(hx_sk_misc(c, &$1)); }
	;

policy:
	  POLICY { OK(hx_sk_policy(c, &$1)); }
	;

%%

/* What stands there, as an error may show it. */
static const char *
found(const struct hx_setkey_ctx *c, yysymbol_kind_t kind, char *buf,
    size_t len)
{
	char shown[64];

	if (kind == YYSYMBOL_STRING)
		(void)snprintf(
		    buf, len, "%s", hx_sk_show(&c->last, shown));
	else
		(void)snprintf(buf, len, "%s", yysymbol_name(kind));
	return buf;
}

static int
yyreport_syntax_error(
    const yypcontext_t *ctx, yyscan_t scanner, struct hx_setkey_ctx *c)
{
	enum { MOST = 48 };
	yysymbol_kind_t expected[MOST];
	const int n = yypcontext_expected_tokens(ctx, expected, MOST);
	char what[80], list[400];
	size_t at = 0;

	(void)scanner;
	if (c->tool != NULL) {
		if (!c->fatal)
			(void)hx_sk_refuse(c, "syntax error");
		return 0;
	}
	list[0] = '\0';
	for (int i = 0; i < n && at < sizeof(list); i++) {
		const char *sep = i == 0 ? "" : i + 1 == n ? " or " : ", ";
		const int k = snprintf(list + at, sizeof(list) - at, "%s%s",
		    sep, yysymbol_name(expected[i]));

		if (k < 0)
			break;
		at += (size_t)k;
	}
	(void)found(c, yypcontext_token(ctx), what, sizeof(what));
	(void)hx_sk_fail(c, &c->last, "found %s, expected %s", what, list);
	return 0;
}
