/* SPDX-License-Identifier: Apache-2.0 */
/* The event thread's turn, in a test that has no such thread. */
#ifndef NIDUS_EVENT_ROUNDS_H
#define NIDUS_EVENT_ROUNDS_H

#include "vmm/event.h"

struct event_rounds {
	struct event_bell bell;
	struct event *ev;
	unsigned left;
};

/* Each time around, everything that was ready before has been served. */
static inline void event_round(void *arg)
{
	struct event_rounds *r = arg;

	if (--r->left)
		event_bell_ring(&r->bell);
	else
		event_stop(r->ev);
}

/* Serves what is ready, then what that makes ready, and so on: n rounds, 2 at least; does not wait. 0 or -errno. */
static inline int event_rounds(struct event *ev, unsigned n)
{
	struct event_rounds r = { .ev = ev, .left = n };
	int err = event_bell_init(ev, &r.bell, event_round, &r);

	if (err)
		return err;
	event_bell_ring(&r.bell);
	/* A callback may stop the loop too. */
	while (!err && r.left)
		err = event_run(ev);
	event_bell_fini(&r.bell);
	return err;
}

#endif
