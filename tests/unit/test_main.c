/* SPDX-License-Identifier: Apache-2.0 */
// wrap: vm_run show_main check_main bind_main unbind_main fflush
/* From the words of a command line to the function that carries it out, and from its result to the exit status. */
#include "tests/unit/unit.h"

#define main nidus_main
#include "vmm/main.c"
#undef main

/* What was called, with what; and what it answers. */
static struct {
	char call[256];
	int status;
	bool full; /* stdout is */
} t;

int __wrap_vm_run(const struct vm_config *c)
{
	snprintf(t.call, sizeof(t.call), "run %s %u %s", c->kernel.path, c->cpus, c->start_ns ? "started" : "");
	return t.status;
}

int __wrap_show_main(const char *what, const struct vm_config *c, const char *out_dir)
{
	snprintf(t.call, sizeof(t.call), "show %s %u %s", what, c->cpus, out_dir ? out_dir : "-");
	return t.status;
}

int __wrap_check_main(const struct vm_config *c, FILE *f)
{
	int n = snprintf(t.call, sizeof(t.call), "check %s%s", c->skip ? "skip " : "", c->json ? "json " : "");

	for (unsigned i = 0; i < c->n_vfios; i++)
		n += snprintf(t.call + n, sizeof(t.call) - (size_t)n, "%s ", c->vfios[i].bdf);
	return t.status;
}

int __wrap_bind_main(const char *sys, const char *bdf)
{
	snprintf(t.call, sizeof(t.call), "bind %s %s", sys, bdf);
	return t.status;
}

int __wrap_unbind_main(const char *sys, const char *bdf)
{
	snprintf(t.call, sizeof(t.call), "unbind %s %s", sys, bdf);
	return t.status;
}

int __real_fflush(FILE *f);
int __wrap_fflush(FILE *f)
{
	if (!t.full)
		return __real_fflush(f);
	errno = ENOSPC;
	return EOF;
}

/* Words separated by one space. What it prints goes to /dev/null. */
static int nidus(const char *line)
{
	char words[512], *argv[32] = { 0 }, *save = NULL;
	int argc = 0, out = dup(1), err = dup(2), null = open("/dev/null", O_WRONLY), rc;

	snprintf(words, sizeof(words), "nidus %s", line);
	for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	__real_fflush(stdout);
	dup2(null, 1);
	dup2(null, 2);
	t.call[0] = 0;
	rc = nidus_main(argc, argv);
	__real_fflush(stdout);
	dup2(out, 1);
	dup2(err, 2);
	close(null);
	close(out);
	close(err);
	return rc;
}

#define NINE "0000:01:00.0 0000:01:00.1 0000:01:00.2 0000:01:00.3 0000:01:00.4 0000:01:00.5 0000:01:00.6 0000:01:00.7 0000:01:01.0"

static void test_main_words_lead_to_one_function(void **state)
{
	static const struct {
		const char *line;
		int answer, status; /* of what is called, of nidus */
		const char *call;   /* "": nothing is called */
	} rows[] = {
		{ "", 0, EXIT_USAGE, "" },
		{ "rum", 0, EXIT_USAGE, "" },
		{ "--version", 0, EXIT_OK, "" },
		{ "version", 0, EXIT_OK, "" },
		{ "--help", 0, EXIT_OK, "" },
		{ "-h", 0, EXIT_OK, "" },
		{ "help", 0, EXIT_OK, "" },
		{ "run -k k -c 3", 0, EXIT_OK, "run k 3 started" },
		{ "run -k k", 7, 7, "run k 1 started" },
		{ "run -k k", EXIT_REBOOT, EXIT_REBOOT, "run k 1 started" },
		{ "run -k k --help", 0, EXIT_OK, "" },
		{ "run", 0, EXIT_USAGE, "" },
		{ "run -k k -c 0", 0, EXIT_USAGE, "" },
		{ "run -k k --skip", 0, EXIT_USAGE, "" },
		{ "show acpi -c 2", 0, EXIT_OK, "show acpi 2 -" },
		{ "show pci --out d", 0, EXIT_OK, "show pci 1 d" },
		{ "show", EXIT_USAGE, EXIT_USAGE, "show  1 -" },
		{ "show --help", 0, EXIT_OK, "" },
		{ "show acpi pci", 0, EXIT_USAGE, "" },
		{ "check", 0, EXIT_OK, "check " },
		{ "check --skip", EXIT_SKIP, EXIT_SKIP, "check skip " },
		{ "check 01:00.0 0000:02:00.1 --json", EXIT_HOST, EXIT_HOST, "check json 0000:01:00.0 0000:02:00.1 " },
		{ "check 1:0.0", 0, EXIT_USAGE, "" },
		{ "check nvme", 0, EXIT_USAGE, "" },
		{ "check " NINE, 0, EXIT_USAGE, "" },
		{ "check --json 01:00.0", 0, EXIT_USAGE, "" },
		{ "bind 01:00.0", EXIT_NOINPUT, EXIT_NOINPUT, "bind " HOST_SYS " 01:00.0" },
		{ "unbind 01:00.0", 0, EXIT_OK, "unbind " HOST_SYS " 01:00.0" },
		{ "bind", 0, EXIT_USAGE, "" },
		{ "unbind a b", 0, EXIT_USAGE, "" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		int rc;

		t.status = rows[i].answer;
		rc = nidus(rows[i].line);
		if (rc != rows[i].status || strcmp(t.call, rows[i].call) != 0)
			fail_msg("nidus %s: status %d, called '%s'", rows[i].line, rc, t.call);
	}
}

/* A disk that is full below stdout is no success; but it does not take the place of another status. */
static void test_main_unwritten_output_is_an_error(void **state)
{
	t.full = true;
	assert_int_equal(nidus("--version"), EXIT_HOST);
	t.status = EXIT_PANIC;
	assert_int_equal(nidus("run -k k"), EXIT_PANIC);
	t.full = false;
}

static void test_main_log_level_is_the_options(void **state)
{
	t.status = 0;
	assert_int_equal(nidus("run -k k --log debug"), EXIT_OK);
	assert_int_equal(log_get_level(), LOG_DEBUG);
	assert_int_equal(nidus("run -k k"), EXIT_OK);
	assert_int_equal(log_get_level(), LOG_WARN);
}

/* Descriptors 0 to 2 are taken before anything else is opened. */
static void test_main_closed_stdin_is_filled(void **state)
{
	int in = dup(0), fd;

	close(0);
	t.status = 0;
	assert_int_equal(nidus_main(2, (char *[]){ "nidus", "show", NULL }), EXIT_OK);
	assert_true(fcntl(0, F_GETFD) >= 0);
	fd = open("/dev/null", O_RDONLY);
	assert_true(fd > 2);
	close(fd);
	dup2(in, 0);
	close(in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_main_words_lead_to_one_function),
		cmocka_unit_test(test_main_unwritten_output_is_an_error),
		cmocka_unit_test(test_main_log_level_is_the_options),
		cmocka_unit_test(test_main_closed_stdin_is_filled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
