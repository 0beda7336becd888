/* SPDX-License-Identifier: Apache-2.0 */
/* That the script has everything; tests/lint/docs.sh tries it in a real shell. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "tests/unit/printed.h"
#include "vmm/completion.h"
#include "vmm/options.h"

/* The line of the case for this option's keys, cut out; NULL if there is none. */
static char *keys_of(const char *text, const char *name)
{
	char pattern[64];
	const char *at;

	snprintf(pattern, sizeof(pattern), "\n\t--%s", name);
	at = strstr(text, pattern);
	return at ? strndup(at + 1, strcspn(at + 1, "\n")) : NULL;
}

static void test_completion_has_every_option_and_key(void **state)
{
	const char *text = printed(completion_print);

	for (unsigned i = 0; i < options_n_rows; i++) {
		const struct opt *o = &options_rows[i];
		char want[64], *keys = keys_of(text, o->name);

		snprintf(want, sizeof(want), " --%s", o->name);
		assert_int_equal(!o->hidden, strstr(text, want) != NULL);
		assert_int_equal(!o->hidden && o->n_keys, keys != NULL);
		for (unsigned k = 0; keys && k < o->n_keys; k++) {
			snprintf(want, sizeof(want), " %s:", o->keys[k].name);
			if (!o->keys[k].bare && k && o->keys[k].kind != OPT_FLAG && !strstr(keys, want))
				fail_msg("--%s: completion lacks the key %s: %s", o->name, want, keys);
			for (unsigned n = 0; o->keys[k].choices && o->keys[k].choices[n]; n++)
				assert_non_null(strstr(keys, o->keys[k].choices[n]));
		}
		free(keys);
	}
}

static void test_completion_has_letters_aliases_and_kinds(void **state)
{
	const char *text = printed(completion_print);

	assert_non_null(strstr(text, "\t--initrd|--initramfs|-i) echo ':@file' ;;\n"));
	assert_non_null(strstr(text, "\t--out) echo ':@dir' ;;\n"));
	assert_non_null(strstr(text, "\t--raw-cmdline) echo '' ;;\n"));
	assert_non_null(strstr(text, "\t--net|-n) echo 'tap:@tap mac:"));
	assert_non_null(strstr(text, "\t--vfio) echo ':@bdf bdf:@bdf id:"));
	assert_non_null(strstr(text, "ro id: queues: "));
	assert_non_null(strstr(text, "\t--console) echo ':stdio|pty|off|hvc:stdio|"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_completion_has_every_option_and_key),
		cmocka_unit_test(test_completion_has_letters_aliases_and_kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
