/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/viommu/queue.h"

static void go_on_later(void *arg)
{
	queue_kick(arg);
}

int queue_init(struct queue *q, struct event *ev, pthread_mutex_t *lock, const struct queue_ops *ops, void *ctx)
{
	int err;

	*q = (struct queue){ .lock = lock, .ops = ops, .ctx = ctx };
	err = event_bell_init(ev, &q->bell, go_on_later, q);
	if (!err)
		pthread_mutex_init(&q->run, NULL);
	return err;
}

void queue_fini(struct queue *q)
{
	event_bell_fini(&q->bell);
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
		event_bell_ring(&q->bell);
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
	event_bell_ring(&q->bell);
}
