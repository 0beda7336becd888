/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "devices/viommu/queue.h"

/* An eventfd and not event_call(): it allocates nothing and cannot fail. */
static void call_event_thread(struct queue *q)
{
	const u64 one = 1;

	/* Short only if the counter is full: then the event thread is about to come anyway. */
	if (write(q->fd, &one, sizeof(one)) < 0)
		return;
}

static void on_event(void *arg, u32 events)
{
	struct queue *q = arg;
	u64 count;

	if (read(q->fd, &count, sizeof(count)) < 0)
		return;
	queue_kick(q);
}

int queue_init(struct queue *q, struct event *ev, pthread_mutex_t *lock, const struct queue_ops *ops, void *ctx)
{
	int err;

	*q = (struct queue){ .lock = lock, .ops = ops, .ctx = ctx };
	q->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (q->fd < 0)
		return -errno;
	err = event_add(ev, &q->src, q->fd, EPOLLIN, on_event, q);
	if (err) {
		close(q->fd);
		return err;
	}
	pthread_mutex_init(&q->run, NULL);
	return 0;
}

void queue_fini(struct queue *q)
{
	event_del(&q->src);
	close(q->fd);
	pthread_mutex_destroy(&q->run);
}

/* False when the slice is over: nothing to do, or its share is used up and the event thread has been called. */
static bool go_on(struct queue *q, unsigned entries)
{
	bool work;

	pthread_mutex_lock(q->lock);
	work = !q->parked && q->ops->pending(q->ctx);
	if (work && entries < QUEUE_SLICE_ENTRIES && q->calls < QUEUE_SLICE_CALLS) {
		pthread_mutex_unlock(q->lock);
		return true;
	}
	/* From here a doorbell starts a slice of its own: one that came before has been seen by pending(). */
	q->running = false;
	pthread_mutex_unlock(q->lock);
	if (work)
		call_event_thread(q);
	return false;
}

void queue_kick(struct queue *q)
{
	bool busy;

	pthread_mutex_lock(q->lock);
	busy = q->running || q->parked;
	q->running |= !busy;
	pthread_mutex_unlock(q->lock);
	if (busy)
		return;
	pthread_mutex_lock(&q->run);
	q->calls = 0;
	for (unsigned entries = 0; go_on(q, entries); entries++)
		q->ops->step(q->ctx);
	q->ops->flush(q->ctx);
	pthread_mutex_unlock(&q->run);
	q->ops->after(q->ctx);
}

void queue_park(struct queue *q)
{
	q->parked = true;
}

void queue_unpark(struct queue *q)
{
	if (!q->parked)
		return;
	q->parked = false;
	call_event_thread(q);
}
