#include <string.h>

#include "ipm_path.h"

struct ipm_looped {
	struct ipm_looped *next;
	size_t len;
	int iface;
};

static uint8_t *
octets_of(struct ipm_looped *l)
{
	return (uint8_t *)(l + 1);
}

/* Its tags and marks stay behind: the packet arrives as from a wire. */
bool
ipm_loop_put(struct ipm_path *path, int iface, struct ipm_span packet)
{
	const struct ipm_alloc *alloc = path->env->alloc;
	struct ipm_looped *l =
	    alloc->resize(alloc->ctx, NULL, 0, sizeof *l + packet.len);

	if (l == NULL)
		return false;
	*l = (struct ipm_looped){ .len = packet.len, .iface = iface };
	memcpy(octets_of(l), packet.p, packet.len);
	if (path->loop_last == NULL)
		path->loop_first = l;
	else
		path->loop_last->next = l;
	path->loop_last = l;
	return true;
}

void
ipm_loop_enter(struct ipm_path *path)
{
	path->depth++;
}

void
ipm_loop_leave(struct ipm_path *path)
{
	const struct ipm_alloc *alloc = path->env->alloc;
	struct ipm_looped *l;

	while (path->depth == 1 && (l = path->loop_first) != NULL) {
		path->loop_first = l->next;
		if (l->next == NULL)
			path->loop_last = NULL;
		(void)ipm_input(path, l->iface, ipm_span(octets_of(l), l->len),
		    path->event);
		(void)alloc->resize(alloc->ctx, l, sizeof *l + l->len, 0);
	}
	path->depth--;
}
