/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "vmm/event.h"

static struct event *ev;
static struct event_src a, b;

static void stop(void *arg)
{
	event_stop(ev);
}

static unsigned fired;

static void remove_both(void *arg, u32 events)
{
	fired++;
	event_del(&a);
	event_del(&b);
	event_stop(ev);
}

static void test_event_removed_source_is_not_called_in_same_round(void **state)
{
	int fa = eventfd(1, EFD_NONBLOCK), fb = eventfd(1, EFD_NONBLOCK);

	fired = 0;
	assert_int_equal(event_create(&ev), 0);
	assert_int_equal(event_add(ev, &a, fa, EPOLLIN, remove_both, NULL), 0);
	assert_int_equal(event_add(ev, &b, fb, EPOLLIN, remove_both, NULL), 0);
	assert_int_equal(event_run(ev), 0);
	assert_int_equal(fired, 1);
	event_del(&a);
	event_destroy(ev);
	close(fa);
	close(fb);
}

static struct event_bell bell, stop_bell;

static void *ringer(void *arg)
{
	for (unsigned i = 0; i < 1000; i++)
		event_bell_ring(&bell);
	event_bell_ring(&stop_bell);
	return NULL;
}

static void count(void *arg)
{
	++*(unsigned *)arg;
}

static void test_event_bell_rung_often_calls_at_least_once_and_not_after_fini(void **state)
{
	unsigned calls = 0;
	pthread_t t;

	event_bell_ring(&bell);
	event_bell_fini(&bell);
	assert_int_equal(event_create(&ev), 0);
	assert_int_equal(event_bell_init(ev, &bell, count, &calls), 0);
	assert_int_equal(event_bell_init(ev, &stop_bell, stop, NULL), 0);
	event_bell_ring(&bell);
	event_bell_ring(&bell);
	event_bell_ring(&stop_bell);
	assert_int_equal(event_run(ev), 0);
	assert_int_equal(calls, 1);
	assert_int_equal(pthread_create(&t, NULL, ringer, NULL), 0);
	assert_int_equal(event_run(ev), 0);
	pthread_join(t, NULL);
	assert_in_range(calls, 2, 1001);
	event_bell_fini(&bell);
	event_bell_ring(&bell);
	event_bell_ring(&stop_bell);
	calls = 0;
	assert_int_equal(event_run(ev), 0);
	assert_int_equal(calls, 0);
	event_bell_fini(&stop_bell);
	event_destroy(ev);
}

static void *stopper(void *arg)
{
	event_stop(ev);
	return NULL;
}

static void test_event_stop_from_thread_or_before_run_returns(void **state)
{
	pthread_t t;

	assert_int_equal(event_create(&ev), 0);
	event_stop(ev);
	assert_int_equal(event_run(ev), 0);
	assert_int_equal(pthread_create(&t, NULL, stopper, NULL), 0);
	assert_int_equal(event_run(ev), 0);
	pthread_join(t, NULL);
	event_destroy(ev);
}

static void test_event_timer_fires_once(void **state)
{
	static struct event_timer t;

	assert_int_equal(event_create(&ev), 0);
	assert_int_equal(event_timer_init(ev, &t, stop, NULL), 0);
	event_timer_set(&t, 1000, 0);
	assert_int_equal(event_run(ev), 0);
	event_timer_fini(&t);
	event_timer_fini(&t);
	event_destroy(ev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_event_removed_source_is_not_called_in_same_round),
		cmocka_unit_test(test_event_bell_rung_often_calls_at_least_once_and_not_after_fini),
		cmocka_unit_test(test_event_stop_from_thread_or_before_run_returns),
		cmocka_unit_test(test_event_timer_fires_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
