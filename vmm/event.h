/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event thread's loop: file descriptors, timers and bells that other threads ring, over epoll.
 *
 * Callbacks run on the thread that is in event_run(), one at a time. Functions marked [any] may be called from any thread.
 * A source removed by its own or another callback is not called again, even if it was ready in the same round.
 */
#ifndef NIDUS_EVENT_H
#define NIDUS_EVENT_H

#include "vmm/bits.h"

struct event;

typedef void (*event_fn)(void *arg, u32 epoll_events);

/* Embedded in its owner, zeroed before first use. */
struct event_src {
	int fd;
	event_fn fn;
	void *arg;
	struct event *ev; /* NULL: not added */
};

struct event_timer {
	struct event_src src; /* a timerfd */
	void (*fn)(void *arg);
	void *arg;
};

/* How other threads have something done on the event thread without allocating or failing. */
struct event_bell {
	struct event_src src; /* an eventfd */
	void (*fn)(void *arg);
	void *arg;
};

/* -ENOMEM, or -errno for want of descriptors; nothing is left then. Any thread. */
int event_create(struct event **out) __must_check;
/* No event_run() in progress; sources, timers and bells were removed before. NULL is allowed. */
void event_destroy(struct event *ev);

/* fd stays the caller's. Before event_run() or on the event thread; nothing checks that. -errno of epoll, s is then as if not added. */
int event_add(struct event *ev, struct event_src *s, int fd, u32 epoll_events, event_fn fn, void *arg) __must_check;
/* The same for a source that is added. -errno of epoll, and the old events stay. */
int event_mod(struct event_src *s, u32 epoll_events) __must_check;
/* No-op if not added. Event thread, or no event_run() in progress. */
void event_del(struct event_src *s);

/* Creates the timerfd; not armed. Thread as for event_add(). -errno, nothing is left then. */
int event_timer_init(struct event *ev, struct event_timer *t, void (*fn)(void *arg), void *arg) __must_check;
/* [any] Fires once in ns nanoseconds and then every period_ns (0: once); ns 0 disarms. */
void event_timer_set(struct event_timer *t, u64 ns, u64 period_ns);
/* No-op if it was not made. Thread as for event_del(). */
void event_timer_fini(struct event_timer *t);

/* Creates the eventfd. Thread as for event_add(). -errno, nothing is left then. */
int event_bell_init(struct event *ev, struct event_bell *b, void (*fn)(void *arg), void *arg) __must_check;
/* [any, async-signal-safe] Has fn(arg) called soon on the event thread, once for any number of rings until then. No-op if it was not made. */
void event_bell_ring(struct event_bell *b);
/* No-op if it was not made. Thread as for event_del(). */
void event_bell_fini(struct event_bell *b);

/* Serves until event_stop(). 0, or -errno if epoll fails. */
int event_run(struct event *ev) __must_check;
/* [any, async-signal-safe] Makes event_run() return after the current callback. */
void event_stop(struct event *ev);

#endif
