/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "vmm/config.h"
#include "vmm/mem_fail.h"

static const struct mem_range two[] = { { 0, MiB(2) }, { GiB(4), MiB(1) } };

/* As the kernel sends it. */
static void fail_at(const void *hva, int code, short lsb)
{
	siginfo_t si;

	memset(&si, 0, sizeof(si));
	si.si_signo = SIGBUS;
	si.si_code = code;
	si.si_addr = (void *)(uintptr_t)hva;
	si.si_addr_lsb = lsb;
	if (syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGBUS, &si))
		_exit(99);
}

static void failed(void *arg)
{
	++*(unsigned *)arg;
}

struct child {
	int status;
	char said[1024];
};

/* fn in a process of its own, which ends with what fn returns. */
static struct child run(int (*fn)(struct mem *m, const struct mem_slot *s, unsigned *count))
{
	struct child c = { .said = "" };
	ssize_t n;
	pid_t pid;
	int p[2];

	assert_int_equal(pipe(p), 0);
	fflush(NULL);
	pid = fork();
	if (!pid) {
		const struct mem_slot *s;
		unsigned count = 0;
		struct mem *m;

		dup2(p[1], 2);
		signal(SIGBUS, SIG_DFL);
		if (mem_create(two, 2, false, &m))
			_exit(98);
		mem_slots(m, &s);
		mem_fail_watch(m, failed, &count);
		_exit(fn(m, s, &count));
	}
	close(p[1]);
	assert_int_equal(waitpid(pid, &c.status, 0), pid);
	n = read(p[0], c.said, sizeof(c.said) - 1);
	c.said[MAX(n, 0)] = 0;
	close(p[0]);
	return c;
}

static int lines(const char *s)
{
	int n = 0;

	for (; *s; s++)
		n += *s == '\n';
	return n;
}

static int guest_meets_it(struct mem *m, const struct mem_slot *s, unsigned *count)
{
	mem_fail_in_guest(true);
	errno = 77;
	fail_at((char *)s[1].hva + 0x12345, BUS_MCEERR_AR, 12);
	/* Again before the VM has ended. */
	fail_at((char *)s[1].hva + 0x12345, BUS_MCEERR_AR, 12);
	mem_fail_in_guest(false);
	return *count == 2 && errno == 77 ? 3 : 1;
}

static void test_mem_fail_guests_access_asks_for_the_end(void **state)
{
	struct child c = run(guest_meets_it);

	assert_int_equal(WEXITSTATUS(c.status), 3);
	assert_non_null(strstr(c.said, "nidus: error: the host's memory failed under guest address 0x100012000, 4096 bytes: "));
	assert_int_equal(lines(c.said), 1);
}

static int nobody_meets_it(struct mem *m, const struct mem_slot *s, unsigned *count)
{
	fail_at((char *)s[0].hva + MiB(1) + 5, BUS_MCEERR_AO, 21);
	return *count == 1 ? 3 : 1;
}

static void test_mem_fail_known_before_use_asks_for_the_end(void **state)
{
	struct child c = run(nobody_meets_it);

	assert_int_equal(WEXITSTATUS(c.status), 3);
	assert_non_null(strstr(c.said, "under guest address 0x0, 2097152 bytes: "));
}

static int nidus_meets_it(struct mem *m, const struct mem_slot *s, unsigned *count)
{
	fail_at((char *)s[0].hva + 0x1000, BUS_MCEERR_AR, 12);
	return 1;
}

static void test_mem_fail_own_access_is_the_end(void **state)
{
	struct child c = run(nidus_meets_it);

	assert_true(WIFEXITED(c.status));
	assert_int_equal(WEXITSTATUS(c.status), EXIT_INTERNAL);
	assert_non_null(strstr(c.said, "under guest address 0x1000, 4096 bytes: "));
	assert_int_equal(lines(c.said), 1);
}

static int other_memory(struct mem *m, const struct mem_slot *s, unsigned *count)
{
	fail_at((char *)s[0].hva + MiB(2), BUS_MCEERR_AR, 12);
	return 1;
}

static int no_failure(struct mem *m, const struct mem_slot *s, unsigned *count)
{
	fail_at(s[0].hva, BUS_ADRERR, 0);
	return 1;
}

static int sent(struct mem *m, const struct mem_slot *s, unsigned *count)
{
	kill(getpid(), SIGBUS);
	return 1;
}

static int not_watched(struct mem *m, const struct mem_slot *s, unsigned *count)
{
	mem_fail_unwatch();
	mem_fail_unwatch();
	fail_at(s[0].hva, BUS_MCEERR_AO, 12);
	return 1;
}

static void test_mem_fail_anything_else_is_as_without(void **state)
{
	int (*const fn[])(struct mem *m, const struct mem_slot *s, unsigned *count) = { other_memory, no_failure, sent, not_watched };

	for (unsigned i = 0; i < ARRAY_SIZE(fn); i++) {
		struct child c = run(fn[i]);

		assert_true(WIFSIGNALED(c.status));
		assert_int_equal(WTERMSIG(c.status), SIGBUS);
		assert_string_equal(c.said, "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mem_fail_guests_access_asks_for_the_end),
		cmocka_unit_test(test_mem_fail_known_before_use_asks_for_the_end),
		cmocka_unit_test(test_mem_fail_own_access_is_the_end),
		cmocka_unit_test(test_mem_fail_anything_else_is_as_without),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
