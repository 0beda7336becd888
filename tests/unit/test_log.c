/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <unistd.h>

#include "vmm/log.h"

static char *captured(void (*fn)(void))
{
	static char buf[65536];
	int save = dup(2), p[2];
	ssize_t n;

	assert_int_equal(pipe(p), 0);
	fcntl(p[1], F_SETPIPE_SZ, 65536);
	dup2(p[1], 2);
	fn();
	dup2(save, 2);
	close(save);
	close(p[1]);
	n = read(p[0], buf, sizeof(buf) - 1);
	close(p[0]);
	buf[n < 0 ? 0 : n] = 0;
	return buf;
}

static unsigned lines(const char *s)
{
	unsigned n = 0;

	for (; *s; s++)
		n += *s == '\n';
	return n;
}

static void say_two_lines(void)
{
	log_error("file %s: no", "a\nb\x1b[2J");
	log_debug("not shown");
}

static void test_log_error_is_one_line(void **state)
{
	const char *s = captured(say_two_lines);

	assert_string_equal(s, "nidus: error: file a?b?[2J: no\n");
}

static void say_long(void)
{
	char *s = malloc(5000);

	memset(s, 'x', 4999);
	s[4999] = 0;
	log_error("%s", s);
	free(s);
}

static void test_log_long_line_is_cut_not_split(void **state)
{
	const char *s = captured(say_long);

	assert_int_equal(lines(s), 1);
	assert_true(strlen(s) < 1100);
}

static void flood(void)
{
	for (int i = 0; i < 1000000; i++)
		log_guest("guest did %d", i);
}

static void test_log_guest_flood_is_limited(void **state)
{
	const char *s = captured(flood);

	assert_true(lines(s) >= 1);
	assert_true(lines(s) <= 20);
}

static void test_log_level_parse_rejects_unknown(void **state)
{
	enum log_level l = LOG_INFO;

	assert_int_equal(log_parse_level("debug", &l), 0);
	assert_int_equal(l, LOG_DEBUG);
	assert_true(log_parse_level("loud", &l) < 0);
	assert_int_equal(l, LOG_DEBUG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_log_error_is_one_line),
		cmocka_unit_test(test_log_long_line_is_cut_not_split),
		cmocka_unit_test(test_log_guest_flood_is_limited),
		cmocka_unit_test(test_log_level_parse_rejects_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
