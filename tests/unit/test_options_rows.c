/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "vmm/options.h"

/* Every row is reachable, described and unambiguous. */
static void test_options_rows_are_sound(void **state)
{
	const struct opt *t = options_rows;
	char arg[160];

	for (unsigned i = 0; i < options_n_rows; i++) {
		assert_non_null(t[i].help);
		assert_true(t[i].cmds);
		assert_true(t[i].n_keys <= 32);
		options_synopsis(&t[i], arg, sizeof(arg));
		assert_true(strlen(arg) < sizeof(arg) - 1);
		for (unsigned j = 0; j < i; j++) {
			assert_string_not_equal(t[i].name, t[j].name);
			assert_false(t[i].letter && t[i].letter == t[j].letter);
			assert_false(t[i].alias && t[j].alias && strcmp(t[i].alias, t[j].alias) == 0);
			assert_false(t[i].alias && strcmp(t[i].alias, t[j].name) == 0);
		}
		for (unsigned k = 0; k < t[i].n_keys; k++) {
			const struct opt_key *key = &t[i].keys[k];

			assert_true(!key->bare || k == 0);
			assert_true(key->kind == OPT_FLAG || key->meta);
			assert_int_equal(key->kind == OPT_CHOICE, key->choices != NULL);
			assert_true(key->kind != OPT_CHOICE || key->size == 1 || key->size == 4);
			assert_true((key->kind != OPT_UINT && key->kind != OPT_SIZE) || key->min < key->max);
			assert_true(key->kind != OPT_UINT || key->max <= UINT32_MAX);
		}
	}
}

/* s with each "|" as a table of Markdown wants it. */
static void append_cell(char *row, size_t len, const char *s)
{
	size_t n = strlen(row);

	for (; *s && n + 2 < len; s++) {
		if (*s == '|')
			row[n++] = '\\';
		row[n++] = *s;
	}
	row[n] = 0;
}

/* The tests run in the root of the tree. */
static void test_options_rows_are_in_the_readme(void **state)
{
	static char readme[65536];
	const struct opt *t = options_rows;
	FILE *f = fopen("README.md", "r");

	assert_non_null(f);
	assert_true(fread(readme, 1, sizeof(readme) - 1, f) > 0);
	fclose(f);
	for (unsigned i = 0; i < options_n_rows; i++) {
		char row[512] = "| `", arg[160], name[64];

		if (!(t[i].cmds & CMD_RUN) || t[i].hidden)
			continue;
		options_synopsis(&t[i], arg, sizeof(arg));
		if (t[i].letter)
			snprintf(name, sizeof(name), "-%c, ", t[i].letter);
		append_cell(row, sizeof(row), t[i].letter ? name : "");
		snprintf(name, sizeof(name), "--%s%s", t[i].name, *arg ? " " : "");
		append_cell(row, sizeof(row), name);
		append_cell(row, sizeof(row), arg);
		strncat(row, "` | ", sizeof(row) - strlen(row) - 1);
		append_cell(row, sizeof(row), t[i].help);
		strncat(row, " |\n", sizeof(row) - strlen(row) - 1);
		if (!strstr(readme, row))
			fail_msg("README.md lacks this row:\n%s", row);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options_rows_are_sound),
		cmocka_unit_test(test_options_rows_are_in_the_readme),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
