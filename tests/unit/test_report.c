/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/mem.h"
#include "vmm/report.h"

static const struct report_end end = { "poweroff", 7, 12345, NULL };

static void fill(void *arg, struct report_obj *o)
{
	report_u64(o, "reads", *(unsigned *)arg);
	report_u64(o, "huge", UINT64_MAX);
	report_bool(o, "viommu", false);
	report_str(o, "id", "x");
	report_str(o, "broken", "\xff");
}

static json_t *member(json_t *o, const char *a, const char *b)
{
	o = json_object_get(o, a);
	return b ? json_object_get(o, b) : o;
}

static void test_report_text_holds_everything(void **state)
{
	unsigned reads = 42;
	struct report *r;
	json_t *j, *d;
	char *text;

	assert_int_equal(report_create(0, &r), 0);
	report_phase(r, REPORT_KVM);
	report_phase(r, REPORT_FIRST_RUN);
	assert_int_equal(report_section(r, "disk0", fill, &reads), 0);
	text = report_text(r, &end);
	j = json_loads(text, 0, NULL);
	assert_non_null(j);
	assert_string_equal(json_string_value(member(j, "reason", NULL)), "poweroff");
	assert_int_equal(json_integer_value(member(j, "exit_code", NULL)), 7);
	assert_int_equal(json_integer_value(member(j, "exits", NULL)), 12345);
	assert_true(json_integer_value(member(j, "phases_ns", "config")) > 0);
	assert_true(json_integer_value(member(j, "phases_ns", "kvm")) >= json_integer_value(member(j, "phases_ns", "config")));
	assert_true(json_is_null(member(j, "phases_ns", "ram")));
	assert_true(json_integer_value(member(j, "phases_ns", "end")) >= json_integer_value(member(j, "phases_ns", "first_run")));
	assert_true(json_integer_value(member(j, "cpu_to_first_run_ns", NULL)) > 0);
	assert_int_equal(json_integer_value(member(j, "memory", "ram_bytes")), 0);
	assert_true(json_integer_value(member(j, "memory", "peak_rss_bytes")) > 0);
	assert_true(json_integer_value(member(j, "memory", "pss_beside_ram_bytes")) > 0);
	d = member(j, "devices", "disk0");
	assert_int_equal(json_integer_value(member(d, "reads", NULL)), 42);
	assert_true(json_integer_value(member(d, "huge", NULL)) == INT64_MAX);
	assert_true(json_is_false(member(d, "viommu", NULL)));
	assert_string_equal(json_string_value(member(d, "id", NULL)), "x");
	assert_null(member(d, "broken", NULL));
	json_decref(j);
	free(text);
	report_destroy(r);
}

static void test_report_guest_ram_is_counted_apart(void **state)
{
	const struct mem_range ranges[] = { { 0, MiB(16) }, { GiB(4), MiB(48) } };
	struct report_end e = end;
	struct report *r;
	struct mem *m;
	char *text;
	json_t *j;

	assert_int_equal(mem_create(ranges, 2, false, &m), 0);
	e.mem = m;
	assert_int_equal(report_create(0, &r), 0);
	for (u64 at = 0; at < MiB(48); at += KiB(4))
		assert_int_equal(mem_store(m, GiB(4) + at, 8, 1), 0);
	text = report_text(r, &e);
	j = json_loads(text, 0, NULL);
	assert_int_equal(json_integer_value(member(j, "memory", "ram_bytes")), MiB(64));
	assert_true(json_integer_value(member(j, "memory", "peak_rss_bytes")) > (json_int_t)MiB(48));
	assert_true(json_integer_value(member(j, "memory", "pss_beside_ram_bytes")) > 0);
	assert_true(json_integer_value(member(j, "memory", "peak_rss_bytes")) - json_integer_value(member(j, "memory", "pss_beside_ram_bytes")) > (json_int_t)MiB(40));
	json_decref(j);
	free(text);
	report_destroy(r);
	mem_destroy(m);
}

static void test_report_phase_first_stamp_counts(void **state)
{
	struct report *r;
	json_t *a, *b;
	char *text;

	assert_int_equal(report_create(report_now_ns() - 5000000, &r), 0);
	report_phase(r, REPORT_RAM);
	text = report_text(r, &end);
	a = json_loads(text, 0, NULL);
	free(text);
	report_phase(r, REPORT_RAM);
	text = report_text(r, &end);
	b = json_loads(text, 0, NULL);
	free(text);
	assert_true(json_equal(member(a, "phases_ns", NULL), member(b, "phases_ns", NULL)));
	assert_true(json_integer_value(member(a, "phases_ns", "config")) >= 5000000);
	json_decref(a);
	json_decref(b);
	report_destroy(r);
}

static void test_report_null_does_nothing(void **state)
{
	report_phase(NULL, REPORT_KVM);
	assert_int_equal(report_section(NULL, "x", fill, NULL), 0);
	assert_int_equal(report_write(NULL, "/nonexistent/x", &end), 0);
	report_destroy(NULL);
}

static void test_report_sections_are_limited(void **state)
{
	unsigned n = 0, reads = 0;
	struct report *r;

	assert_int_equal(report_create(0, &r), 0);
	while (report_section(r, "d", fill, &reads) == 0)
		n++;
	assert_int_equal(n, 64);
	report_destroy(r);
}

static unsigned entries(const char *dir)
{
	DIR *d = opendir(dir);
	unsigned n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void test_report_write_replaces_the_file_whole(void **state)
{
	char dir[] = "/tmp/test_report.XXXXXX", path[64];
	struct report *r;
	struct stat st;
	mode_t mask;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/r.json", dir);
	mask = umask(022);
	assert_int_equal(report_create(0, &r), 0);
	for (int i = 0; i < 2; i++) {
		json_t *j;

		assert_int_equal(report_write(r, path, &end), 0);
		j = json_load_file(path, 0, NULL);
		assert_non_null(j);
		json_decref(j);
		assert_int_equal(entries(dir), 3);
	}
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	umask(mask);
	unlink(path);
	assert_int_equal(report_write(r, "/nonexistent/x", &end), -ENOENT);
	assert_int_equal(report_write(r, dir, &end), -EISDIR);
	assert_int_equal(rmdir(dir), 0);
	report_destroy(r);
}

/* /dev/stdout is a link, and root could replace it. */
static void test_report_write_leaves_a_link_and_goes_where_it_leads(void **state)
{
	char dir[] = "/tmp/test_report.XXXXXX", path[64], link_path[64];
	struct report *r;
	struct stat st;
	json_t *j;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/r.json", dir);
	snprintf(link_path, sizeof(link_path), "%s/link", dir);
	fclose(fopen(path, "w"));
	assert_int_equal(symlink(path, link_path), 0);
	assert_int_equal(report_create(0, &r), 0);
	assert_int_equal(report_check(link_path), 0);
	assert_int_equal(report_write(r, link_path, &end), 0);
	assert_int_equal(lstat(link_path, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(entries(dir), 4);
	j = json_load_file(path, 0, NULL);
	assert_non_null(j);
	json_decref(j);
	unlink(link_path);
	unlink(path);
	assert_int_equal(rmdir(dir), 0);
	report_destroy(r);
}

/* The console's text is there already, and more may come. */
static void test_report_write_to_the_file_of_stdout_goes_behind_what_is_there(void **state)
{
	char path[] = "/tmp/test_report.XXXXXX", buf[8192] = "";
	int fd = mkstemp(path), old = dup(STDOUT_FILENO), check, rc;
	struct report *r;

	assert_true(fd >= 0 && old >= 0);
	assert_int_equal(write(fd, "console\n", 8), 8);
	assert_int_equal(report_create(0, &r), 0);
	fflush(stdout);
	assert_int_equal(dup2(fd, STDOUT_FILENO), STDOUT_FILENO);
	check = report_check("/proc/self/fd/1");
	rc = report_write(r, "/proc/self/fd/1", &end);
	assert_int_equal(dup2(old, STDOUT_FILENO), STDOUT_FILENO);
	assert_int_equal(check, 0);
	assert_int_equal(rc, 0);
	assert_true(pread(fd, buf, sizeof(buf) - 1, 0) > 10);
	assert_memory_equal(buf, "console\n{", 9);
	unlink(path);
	close(fd);
	close(old);
	report_destroy(r);
}

static void test_report_write_to_descriptor_and_device(void **state)
{
	char buf[8192], spec[16];
	struct report *r;
	ssize_t n;
	int p[2];

	assert_int_equal(pipe(p), 0);
	assert_int_equal(report_create(0, &r), 0);
	snprintf(spec, sizeof(spec), "fd:%d", p[1]);
	assert_int_equal(report_write(r, spec, &end), 0);
	n = read(p[0], buf, sizeof(buf));
	assert_true(n > 2 && buf[0] == '{' && buf[n - 1] == '\n');
	assert_int_equal(report_write(r, "/dev/null", &end), 0);
	assert_int_equal(report_write(r, "fd:999999", &end), -EBADF);
	close(p[0]);
	close(p[1]);
	report_destroy(r);
}

static void test_report_check_foresees_what_write_would_say(void **state)
{
	static const struct {
		const char *path;
		int want;
	} rows[] = {
		{ "report.json", 0 }, { "/tmp/report.json", 0 }, { "/dev/null", 0 }, { "fd:1", 0 },
		{ "/nonexistent/x", -ENOENT }, { "/tmp", -EISDIR }, { "/dev/null/x", -ENOTDIR }, { "fd:999999", -EBADF }, { "fd:", -EBADF },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(report_check(rows[i].path), rows[i].want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_report_text_holds_everything),
		cmocka_unit_test(test_report_guest_ram_is_counted_apart),
		cmocka_unit_test(test_report_phase_first_stamp_counts),
		cmocka_unit_test(test_report_null_does_nothing),
		cmocka_unit_test(test_report_sections_are_limited),
		cmocka_unit_test(test_report_write_replaces_the_file_whole),
		cmocka_unit_test(test_report_write_leaves_a_link_and_goes_where_it_leads),
		cmocka_unit_test(test_report_write_to_the_file_of_stdout_goes_behind_what_is_there),
		cmocka_unit_test(test_report_check_foresees_what_write_would_say),
		cmocka_unit_test(test_report_write_to_descriptor_and_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
