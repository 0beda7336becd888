/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "devices/viommu/queue.h"
#include "tests/unit/event_rounds.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct event *ev;
static struct queue q;
static unsigned todo, steps, flushes, afters, calls_per_step, park_at;

static bool pending(void *ctx)
{
	return todo != 0;
}

static void step(void *ctx)
{
	steps++;
	q.calls += calls_per_step;
	if (park_at && todo == park_at) {
		pthread_mutex_lock(&lock);
		queue_park(&q);
		pthread_mutex_unlock(&lock);
		return;
	}
	todo--;
}

static void flush(void *ctx)
{
	flushes++;
}

static void after(void *ctx)
{
	afters++;
}

static const struct queue_ops ops = { .pending = pending, .step = step, .flush = flush, .after = after };

static int setup(void **state)
{
	steps = flushes = afters = calls_per_step = park_at = 0;
	assert_int_equal(event_create(&ev), 0);
	return queue_init(&q, ev, &lock, &ops, NULL);
}

static int teardown(void **state)
{
	queue_fini(&q);
	event_destroy(ev);
	return 0;
}

static void one_round(void)
{
	assert_int_equal(event_rounds(ev, 2), 0);
}

static void test_queue_kick_works_until_empty(void **state)
{
	todo = QUEUE_SLICE_ENTRIES;
	queue_kick(&q);
	assert_int_equal(todo, 0);
	assert_int_equal(flushes, 1);
	assert_int_equal(afters, 1);
	assert_false(q.running);
}

static void test_queue_long_work_goes_on_in_event_thread(void **state)
{
	unsigned rounds = 0;

	todo = 3 * QUEUE_SLICE_ENTRIES + 1;
	queue_kick(&q);
	assert_int_equal(steps, QUEUE_SLICE_ENTRIES);
	while (todo && rounds++ < 10)
		one_round();
	assert_int_equal(todo, 0);
	assert_int_equal(flushes, 4);
}

static void test_queue_host_calls_bound_a_slice(void **state)
{
	todo = 200;
	calls_per_step = 2;
	queue_kick(&q);
	assert_int_equal(steps, QUEUE_SLICE_CALLS / 2);
	todo = 0;
}

static void test_queue_parked_waits_for_unpark(void **state)
{
	todo = 10;
	park_at = 4;
	queue_kick(&q);
	assert_int_equal(todo, 4);
	queue_kick(&q);
	one_round();
	assert_int_equal(steps, 7);
	park_at = 0;
	pthread_mutex_lock(&lock);
	queue_unpark(&q);
	queue_unpark(&q);
	pthread_mutex_unlock(&lock);
	assert_int_equal(todo, 4);
	one_round();
	assert_int_equal(todo, 0);
}

static void *kicker(void *arg)
{
	for (unsigned i = 0; i < 2000; i++) {
		pthread_mutex_lock(&lock);
		__atomic_add_fetch(&todo, 1, __ATOMIC_SEQ_CST);
		pthread_mutex_unlock(&lock);
		queue_kick(&q);
	}
	return NULL;
}

static void step_atomic(void *ctx)
{
	__atomic_sub_fetch(&todo, 1, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&steps, 1, __ATOMIC_SEQ_CST);
}

static bool pending_atomic(void *ctx)
{
	return __atomic_load_n(&todo, __ATOMIC_SEQ_CST) != 0;
}

static void no_flush(void *ctx)
{
}

static void test_queue_kicks_from_many_threads_lose_nothing(void **state)
{
	static const struct queue_ops aops = { .pending = pending_atomic, .step = step_atomic, .flush = no_flush, .after = no_flush };
	pthread_t t[4];
	unsigned rounds = 0;

	q.ops = &aops;
	todo = 0;
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++)
		assert_int_equal(pthread_create(&t[i], NULL, kicker, NULL), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++)
		pthread_join(t[i], NULL);
	while (todo && rounds++ < 100)
		one_round();
	assert_int_equal(todo, 0);
	assert_int_equal(steps, 8000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_queue_kick_works_until_empty, setup, teardown),
		cmocka_unit_test_setup_teardown(test_queue_long_work_goes_on_in_event_thread, setup, teardown),
		cmocka_unit_test_setup_teardown(test_queue_host_calls_bound_a_slice, setup, teardown),
		cmocka_unit_test_setup_teardown(test_queue_parked_waits_for_unpark, setup, teardown),
		cmocka_unit_test_setup_teardown(test_queue_kicks_from_many_threads_lose_nothing, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
