/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/printed.h"
#include "vmm/config.h"
#include "vmm/manual.h"
#include "vmm/options.h"

/* s as the page has it: hyphens that are not broken or turned into dashes. */
static void append(char *buf, size_t len, const char *s)
{
	size_t n = strlen(buf);

	for (; *s && n + 3 < len; s++) {
		if (*s == '-')
			buf[n++] = '\\';
		buf[n++] = *s;
	}
	buf[n] = 0;
}

static void test_manual_has_every_option(void **state)
{
	const char *text = printed(manual_print);

	for (unsigned i = 0; i < options_n_rows; i++) {
		const struct opt *o = &options_rows[i];
		char want[512] = "", arg[160], letter[8];

		options_synopsis(o, arg, sizeof(arg));
		snprintf(letter, sizeof(letter), "-%c, ", o->letter);
		append(want, sizeof(want), ".B ");
		append(want, sizeof(want), o->letter ? letter : "");
		append(want, sizeof(want), "--");
		append(want, sizeof(want), o->name);
		append(want, sizeof(want), *arg ? " " : "");
		append(want, sizeof(want), arg);
		append(want, sizeof(want), "\n");
		if (o->hidden) {
			assert_null(strstr(text, want));
			continue;
		}
		/* The start of the help; the rest may have characters of roff's. */
		snprintf(want + strlen(want), sizeof(want) - strlen(want), "%.*s", (int)strcspn(o->help, "-'\\"), o->help);
		if (!strstr(text, want))
			fail_msg("nidus.1 lacks: %s", want);
		if (o->alias) {
			snprintf(want, sizeof(want), "(also \\-\\-%s)", o->alias);
			assert_non_null(strstr(text, want));
		}
	}
}

static void test_manual_has_every_exit_status(void **state)
{
	static const int status[] = { EXIT_OK, EXIT_USAGE, EXIT_NOINPUT, EXIT_HOST, EXIT_INTERNAL, EXIT_SKIP, EXIT_PANIC, EXIT_REBOOT, EXIT_STOPPED };
	const char *text = printed(manual_print), *part = strstr(text, ".SH EXIT STATUS");
	char want[32];

	assert_non_null(part);
	for (unsigned i = 0; i < ARRAY_SIZE(status); i++) {
		snprintf(want, sizeof(want), ".B %d\n", status[i]);
		assert_non_null(strstr(part, want));
	}
}

/* A line that begins with what the text had at a line's beginning would be taken for a command of roff's. */
static void test_manual_lines_are_roff(void **state)
{
	static const char *const commands[] = { ".TH ", ".SH ", ".TP", ".PP", ".B ", ".nh", ".ad ", ".in", ".nf", ".fi" };
	const char *next;

	for (const char *line = printed(manual_print); *line; line = next) {
		unsigned i;

		next = strchr(line, '\n');
		assert_non_null(next);
		next++;
		if (*line != '.') {
			assert_true(*line != '\'' && *line != '\n');
			continue;
		}
		for (i = 0; i < ARRAY_SIZE(commands) && strncmp(line, commands[i], strlen(commands[i])) != 0; i++)
			;
		assert_true(i < ARRAY_SIZE(commands));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_manual_has_every_option),
		cmocka_unit_test(test_manual_has_every_exit_status),
		cmocka_unit_test(test_manual_lines_are_roff),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
