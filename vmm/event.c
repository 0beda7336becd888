/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "vmm/event.h"

#define ROUND 16

struct event {
	int epfd;
	struct event_src wake; /* an eventfd: stop is wanted */
	_Atomic bool stop;
	/* The round being dispatched, so that event_del() can take a source out of it. */
	struct epoll_event ready[ROUND];
	int n_ready;
};

static void ring(int fd)
{
	const u64 one = 1;

	/* EAGAIN: the counter is full, so the loop is about to wake anyway. */
	if (write(fd, &one, sizeof(one)) < 0)
		return;
}

static void on_wake(void *arg, u32 events)
{
	struct event *ev = arg;
	u64 count;

	/* Only so that epoll reports it once. */
	if (read(ev->wake.fd, &count, sizeof(count)) < 0)
		return;
}

int event_create(struct event **out)
{
	struct event *ev = calloc(1, sizeof(*ev));
	int err, fd;

	if (!ev)
		return -ENOMEM;
	ev->epfd = epoll_create1(EPOLL_CLOEXEC);
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (ev->epfd < 0 || fd < 0)
		err = -errno;
	else
		err = event_add(ev, &ev->wake, fd, EPOLLIN, on_wake, ev);
	if (err) {
		if (fd >= 0)
			close(fd);
		if (ev->epfd >= 0)
			close(ev->epfd);
		free(ev);
		return err;
	}
	*out = ev;
	return 0;
}

void event_destroy(struct event *ev)
{
	if (!ev)
		return;
	close(ev->wake.fd);
	close(ev->epfd);
	free(ev);
}

int event_add(struct event *ev, struct event_src *s, int fd, u32 epoll_events, event_fn fn, void *arg)
{
	struct epoll_event e = { .events = epoll_events, .data.ptr = s };

	*s = (struct event_src){ .fd = fd, .fn = fn, .arg = arg, .ev = ev };
	if (epoll_ctl(ev->epfd, EPOLL_CTL_ADD, fd, &e) < 0) {
		s->ev = NULL;
		return -errno;
	}
	return 0;
}

int event_mod(struct event_src *s, u32 epoll_events)
{
	struct epoll_event e = { .events = epoll_events, .data.ptr = s };

	return epoll_ctl(s->ev->epfd, EPOLL_CTL_MOD, s->fd, &e) < 0 ? -errno : 0;
}

void event_del(struct event_src *s)
{
	struct event *ev = s->ev;

	if (!ev)
		return;
	(void)epoll_ctl(ev->epfd, EPOLL_CTL_DEL, s->fd, NULL);
	for (int i = 0; i < ev->n_ready; i++) {
		if (ev->ready[i].data.ptr == s)
			ev->ready[i].data.ptr = NULL;
	}
	s->ev = NULL;
}

static void on_timer(void *arg, u32 events)
{
	struct event_timer *t = arg;
	u64 count;

	if (read(t->src.fd, &count, sizeof(count)) == sizeof(count))
		t->fn(t->arg);
}

int event_timer_init(struct event *ev, struct event_timer *t, void (*fn)(void *arg), void *arg)
{
	int err, fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd < 0)
		return -errno;
	t->fn = fn;
	t->arg = arg;
	err = event_add(ev, &t->src, fd, EPOLLIN, on_timer, t);
	if (err)
		close(fd);
	return err;
}

void event_timer_set(struct event_timer *t, u64 ns, u64 period_ns)
{
	struct itimerspec its = {
		.it_value = { .tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000) },
		.it_interval = { .tv_sec = (time_t)(period_ns / 1000000000), .tv_nsec = (long)(period_ns % 1000000000) },
	};

	(void)timerfd_settime(t->src.fd, 0, &its, NULL);
}

void event_timer_fini(struct event_timer *t)
{
	if (!t->src.ev)
		return;
	event_del(&t->src);
	close(t->src.fd);
}

static void on_bell(void *arg, u32 events)
{
	struct event_bell *b = arg;
	u64 count;

	/* Read first: a ring that comes later has it called again. */
	if (read(b->src.fd, &count, sizeof(count)) == sizeof(count))
		b->fn(b->arg);
}

int event_bell_init(struct event *ev, struct event_bell *b, void (*fn)(void *arg), void *arg)
{
	int err, fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		return -errno;
	b->fn = fn;
	b->arg = arg;
	err = event_add(ev, &b->src, fd, EPOLLIN, on_bell, b);
	if (err)
		close(fd);
	return err;
}

void event_bell_ring(struct event_bell *b)
{
	if (b->src.ev)
		ring(b->src.fd);
}

void event_bell_fini(struct event_bell *b)
{
	if (!b->src.ev)
		return;
	event_del(&b->src);
	close(b->src.fd);
}

int event_run(struct event *ev)
{
	while (!ev->stop) {
		int n = epoll_wait(ev->epfd, ev->ready, ROUND, -1);

		if (n < 0 && errno != EINTR)
			return -errno;
		ev->n_ready = n < 0 ? 0 : n;
		for (int i = 0; i < ev->n_ready && !ev->stop; i++) {
			struct event_src *s = ev->ready[i].data.ptr;

			if (s)
				s->fn(s->arg, ev->ready[i].events);
		}
		ev->n_ready = 0;
	}
	ev->stop = false;
	return 0;
}

void event_stop(struct event *ev)
{
	ev->stop = true;
	ring(ev->wake.fd);
}
