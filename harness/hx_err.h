#ifndef HX_ERR_H
#define HX_ERR_H

/*
 * Why an input cannot be used, as one line for a person.
 */

struct hx_err {
	char text[512]; /* no newline; printable ASCII alone; never empty */
};

/*
 * Writes "FILE:LINE:COL: message".
 *
 *   err   may be NULL: then nobody wants to know
 *   file  NULL: no place is given at all
 *   line  counted from 1; 0: neither line nor column is given
 *   col   octets from the start of the line, from 1; 0: not given
 *
 * Octets that do not print (a newline of a file name, a control character or
 * a NUL of the input) become \xNN, and a line that is too long is cut; so the
 * text is one line whatever the input holds.  Callers pass no key here: keys
 * appear in no output.
 */
__attribute__((format(printf, 5, 6))) void hx_err_set(struct hx_err *err,
    const char *file, unsigned line, unsigned col, const char *fmt, ...);

#endif
