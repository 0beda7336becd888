/* SPDX-License-Identifier: Apache-2.0 */
// wrap: ioctl open64 mmap64 munmap malloc calloc strdup asprintf eventfd epoll_create1 epoll_ctl timerfd_create signalfd pthread_create
// wrap: units_reset units_fini
/* Whole VMs on a fake KVM, with every device that needs nothing of the host: how they end, and that nothing of them is left. */
#include "tests/unit/fake_kvm.h"

#include <elf.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>

#include "devices/devices.h"
#include "vmm/config.h"
#include "vmm/units.h"
#include "vmm/vm.h"

#define POWER_OFF { STEP_OUT, X86_SLEEP_CTRL_PORT, X86_SLP_TYP_S5 << 2 | 1 << 5 }
#define RESET { STEP_OUT, X86_RESET_PORT, X86_RESET_VALUE }
/* The guest is stopped for its reset here. */
#define PAUSE { STEP_SLEEP, 0, 0 }
#define STATUS(n) { STEP_STORE, X86_ECAM_BASE + (PCI_DEV_PVPANIC << 15) + PVPANIC_STATUS_BYTE, n }
#define WARM { STEP_POKE, X86_WARM_RESET_GPA, 0x1234 }
#define TERM { STEP_SIGNAL, 0, SIGTERM }
#define BUTTON { STEP_BUTTON, 0, 0 }
#define TRIPLE_FAULT { STEP_SHUTDOWN, 0, 0 }
#define FOR_EVER { STEP_SLEEP, 0, 0 }, { STEP_SLEEP, 0, 0 }

static char dir[] = "/tmp/test_vm.XXXXXX";
static char kernel[64], disk[64], sock[64], report[64], console[64];

static struct vm_config small(void)
{
	struct vm_config c;

	config_init(&c);
	c.kernel.path = kernel;
	c.mem_bytes = MiB(16);
	c.console.kind = CONSOLE_OFF;
	c.rng = false;
	c.report = report;
	return c;
}

/* Everything that needs neither privilege nor a device of the host. */
static struct vm_config large(void)
{
	struct vm_config c = small();

	c.cpus = 2;
	c.console.kind = CONSOLE_FILE;
	c.console.file.path = "/dev/null";
	c.rng = c.balloon = c.testdev = true;
	c.viommu = VIOMMU_VTD;
	c.disks[0].file.path = disk;
	c.disks[0].viommu = ON;
	c.n_disks = 1;
	c.vsock = true;
	c.vsock_cid = 3;
	c.vsock_uds = sock;
	return c;
}

/* One VM from its start to its end, which leaves nothing behind. */
static int run(const struct vm_config *c, const struct step *script, unsigned fail_at)
{
	unsigned fds = open_fds();
	sigset_t before = { 0 }, after = { 0 };
	struct stat st;
	int status;

	unlink(report);
	pthread_sigmask(SIG_SETMASK, NULL, &before);
	fake_start(script, fail_at);
	status = vm_run(c);
	fake_end();
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(fake.maps, 0);
	assert_int_equal(open_fds(), fds);
	assert_int_not_equal(stat(sock, &st), 0);
	return status;
}

static bool reported(const char *reason)
{
	char text[8192] = "", want[64];
	FILE *f = fopen(report, "r");

	if (!f)
		return false;
	(void)!fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	snprintf(want, sizeof(want), "\"reason\": \"%s\"", reason);
	return strstr(text, want);
}

static void test_vm_end_is_the_guests_or_the_users(void **state)
{
	static const struct {
		struct step script[10];
		bool reset; /* --on-reboot reset */
		unsigned grace;
		int status;
		const char *reason;
	} rows[] = {
		{ { POWER_OFF, FOR_EVER }, false, 10, 0, "poweroff" },
		{ { STATUS(7), POWER_OFF, FOR_EVER }, false, 10, 7, "poweroff" },
		{ { STATUS(7), STATUS(9), POWER_OFF, FOR_EVER }, false, 10, 9, "poweroff" },
		{ { STATUS(64), POWER_OFF, FOR_EVER }, false, 10, 0, "poweroff" },
		{ { RESET, FOR_EVER }, false, 10, EXIT_REBOOT, "reboot" },
		{ { STATUS(7), RESET, FOR_EVER }, false, 10, 7, "reboot" },
		{ { WARM, RESET, FOR_EVER }, false, 10, EXIT_PANIC, "panic" },
		{ { STATUS(7), WARM, RESET, FOR_EVER }, true, 10, EXIT_PANIC, "panic" },
		{ { TRIPLE_FAULT, FOR_EVER }, false, 10, EXIT_PANIC, "panic" },
		{ { TRIPLE_FAULT, FOR_EVER }, true, 10, EXIT_PANIC, "panic" },
		{ { { STEP_INTERNAL, 0, 0 }, FOR_EVER }, true, 10, EXIT_INTERNAL, "internal error" },
		/* Again and again; RAM is clean each time and the status of the last guest is not the next one's. */
		{ { RESET, PAUSE, POWER_OFF, FOR_EVER }, true, 10, 0, "poweroff" },
		{ { { STEP_POKE, MiB(8), 0x55aa }, STATUS(7), RESET, PAUSE, { STEP_EXPECT, MiB(8), 0 }, RESET, PAUSE, POWER_OFF, FOR_EVER }, true, 10, 0, "poweroff" },
		/* The tables are there at each start (ACPI 6.4, 5.2.5.3: "RS"). */
		{ { { STEP_EXPECT, X86_ACPI_BASE, 0x5352 }, { STEP_POKE, X86_ACPI_BASE, 0 }, RESET, PAUSE, { STEP_EXPECT, X86_ACPI_BASE, 0x5352 },
		    POWER_OFF, FOR_EVER }, true, 10, 0, "poweroff" },
		/* Asked from outside: the power button first. */
		{ { TERM, BUTTON, POWER_OFF, FOR_EVER }, false, 10, 0, "poweroff" },
		{ { TERM, BUTTON, STATUS(7), POWER_OFF, FOR_EVER }, false, 10, 7, "poweroff" },
		{ { TERM, BUTTON, RESET, FOR_EVER }, false, 10, EXIT_STOPPED, "stopped" },
		{ { TERM, BUTTON, RESET, FOR_EVER }, true, 10, EXIT_STOPPED, "stopped" },
		{ { TERM, BUTTON, WARM, RESET, FOR_EVER }, false, 10, EXIT_PANIC, "panic" },
		{ { TERM, BUTTON, FOR_EVER }, false, 0, EXIT_STOPPED, "stopped" },
		{ { TERM, BUTTON, TERM, FOR_EVER }, false, 3600, EXIT_STOPPED, "stopped" },
		{ { { STEP_SIGNAL, 0, SIGINT }, BUTTON, { STEP_SIGNAL, 0, SIGHUP }, FOR_EVER }, false, 3600, EXIT_STOPPED, "stopped" },
		/* A button that was pressed is not pressed for the guest that comes after; but the end stays asked for. */
		{ { RESET, PAUSE, TERM, BUTTON, RESET, FOR_EVER }, true, 3600, EXIT_STOPPED, "stopped" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vm_config c = small();

		c.reboot_reset = rows[i].reset;
		c.grace_s = rows[i].grace;
		assert_int_equal(run(&c, rows[i].script, 0), rows[i].status);
		assert_true(reported(rows[i].reason));
		assert_int_equal(fake.missed, 0);
		assert_int_equal(fake.n_errors, rows[i].status == EXIT_INTERNAL);
	}
}

static void test_vm_with_every_device_ends_well(void **state)
{
	static const struct step script[] = { RESET, PAUSE, STATUS(3), POWER_OFF, FOR_EVER };
	struct vm_config c = large();

	c.reboot_reset = true;
	assert_int_equal(run(&c, script, 0), 3);
	assert_true(reported("poweroff"));
}

static bool unit_fails;

void __real_units_reset(struct units *u);
void __wrap_units_reset(struct units *u)
{
	if (unit_fails)
		u->env.failed(u->env.failed_arg);
	__real_units_reset(u);
}

/* What can be neither reset nor blocked must not meet the next guest. */
static void test_vm_device_that_fails_at_a_reset_ends_it(void **state)
{
	static const struct step script[] = { RESET, PAUSE, STATUS(3), POWER_OFF, FOR_EVER };
	struct vm_config c = small();

	c.reboot_reset = true;
	unit_fails = true;
	assert_int_equal(run(&c, script, 0), EXIT_INTERNAL);
	unit_fails = false;
	assert_true(reported("reset failed"));
	/* Stopped for the reset, and never let go on. */
	assert_ptr_equal(fake.step, script + 2);
}

/* The host's fault, with the guest's address; the report is written all the same. */
static void test_vm_page_that_the_host_lost_is_named(void **state)
{
	static const struct {
		struct step script[3];
		const char *said;
	} rows[] = {
		{ { { STEP_BAD_PAGE, MiB(8), 0 }, FOR_EVER }, "the host's memory failed under guest address 0x800000, 4096 bytes: " },
		{ { { STEP_NO_PAGE, MiB(9), EFAULT }, FOR_EVER }, "Bad address, at 0x0, the host cannot give guest address 0x900000" },
		{ { { STEP_NO_PAGE, MiB(9), EHWPOISON }, FOR_EVER }, "hardware error, at 0x0, the host cannot give guest address 0x900000" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vm_config c = small();

		assert_int_equal(run(&c, rows[i].script, 0), EXIT_INTERNAL);
		assert_non_null(strstr(fake.said, rows[i].said));
		assert_int_equal(fake.n_errors, 1);
		assert_true(reported("internal error"));
	}
}

/* The serial port is there exactly where the console is on it. */
static void test_vm_console_is_where_it_was_asked_for(void **state)
{
	static const struct step script[] = { { STEP_OUT, X86_COM1_PORT, 'A' }, RESET, PAUSE, { STEP_OUT, X86_COM1_PORT, 'B' }, POWER_OFF, FOR_EVER };
	static const struct {
		bool hvc;
		const char *want;
	} rows[] = { { false, "AB" }, { true, "" } };

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vm_config c = small();
		char got[8] = "";
		FILE *f;

		c.reboot_reset = true;
		c.console.kind = CONSOLE_FILE;
		c.console.hvc = rows[i].hvc;
		c.console.file.path = console;
		assert_int_equal(run(&c, script, 0), 0);
		f = fopen(console, "r");
		assert_non_null(f);
		(void)!fread(got, 1, sizeof(got) - 1, f);
		fclose(f);
		unlink(console);
		assert_string_equal(got, rows[i].want);
	}
}

static bool late_signal;

void __real_units_fini(struct units *u);
void __wrap_units_fini(struct units *u)
{
	if (late_signal)
		kill(getpid(), SIGTERM);
	__real_units_fini(u);
}

/* The VM has ended, its devices are still being closed. */
static void test_vm_signal_after_the_end_leaves_the_status(void **state)
{
	static const struct step script[] = { STATUS(7), POWER_OFF, FOR_EVER };
	struct vm_config c = small();

	late_signal = true;
	assert_int_equal(run(&c, script, 0), 7);
	late_signal = false;
}

/* nohup has SIGHUP ignored and means it; a shell that starts a job in the background has SIGINT so, and may send it all the same. */
static void test_vm_signal_that_was_ignored(void **state)
{
	static const struct step hup[] = { { STEP_SIGNAL, 0, SIGHUP }, STATUS(7), RESET, FOR_EVER };
	static const struct step interrupt[] = { { STEP_SIGNAL, 0, SIGINT }, BUTTON, RESET, FOR_EVER };
	void (*hup_was)(int) = signal(SIGHUP, SIG_IGN), (*int_was)(int) = signal(SIGINT, SIG_IGN);
	struct vm_config c = small();

	assert_int_equal(run(&c, hup, 0), 7);
	assert_true(reported("reboot"));
	assert_int_equal(run(&c, interrupt, 0), EXIT_STOPPED);
	signal(SIGHUP, hup_was);
	signal(SIGINT, int_was);
}

/* Signals that would kill: a reader of the report that is gone, and a limit on the size of files. */
static void test_vm_files_that_cannot_be_written_do_not_kill_it(void **state)
{
	static const struct step script[] = { STATUS(7), POWER_OFF, FOR_EVER };
	struct vm_config c = small();
	int p[2], fd = open(console, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct rlimit old, few;
	char spec[16];

	signal(SIGXFSZ, SIG_DFL);
	assert_int_equal(lseek(fd, FAKE_RUN_SIZE, SEEK_SET), FAKE_RUN_SIZE);
	snprintf(spec, sizeof(spec), "fd:%d", fd);
	c.report = spec;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	few = (struct rlimit){ FAKE_RUN_SIZE, old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &few), 0);
	assert_int_equal(run(&c, script, 0), 7);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_non_null(strstr(fake.said, strerror(EFBIG)));
	close(fd);
	unlink(console);

	assert_int_equal(pipe(p), 0);
	close(p[0]);
	snprintf(spec, sizeof(spec), "fd:%d", p[1]);
	c.kernel.path = "/nonexistent/kernel";
	signal(SIGPIPE, SIG_DFL);
	assert_int_equal(run(&c, script, 0), EXIT_NOINPUT);
	close(p[1]);
	assert_non_null(strstr(fake.said, strerror(EPIPE)));
}

/* Standard error, and the report's own descriptor, are still needed; any other is closed, which its reader waits for. */
static void test_vm_ready_line_leaves_descriptors_that_are_needed(void **state)
{
	static const struct step script[] = { STATUS(7), POWER_OFF, FOR_EVER };
	struct vm_config c = small();
	char text[8192], spec[16];
	int p[2], old = dup(STDERR_FILENO);

	assert_int_equal(pipe(p), 0);
	assert_int_equal(dup2(p[1], STDERR_FILENO), STDERR_FILENO);
	c.ready_fd = STDERR_FILENO;
	assert_int_equal(run(&c, script, 0), 7);
	assert_int_equal(dup2(old, STDERR_FILENO), STDERR_FILENO);
	close(old);
	assert_true(read(p[0], text, sizeof(text)) > 0);
	assert_memory_equal(text, "{\"event\":\"running\"", 18);

	snprintf(spec, sizeof(spec), "fd:%d", p[1]);
	c.ready_fd = p[1];
	c.report = spec;
	assert_int_equal(run(&c, script, 0), 7);
	assert_int_equal(fake.n_errors, 0);
	c.report = report;
	fake_start(script, 0);
	assert_int_equal(vm_run(&c), 7);
	fake_end();
	assert_int_equal(fcntl(p[1], F_GETFD), -1);
	close(p[0]);
}

static void on_alarm(int sig)
{
}

/* Calls that a signal interrupts are made again, whatever they are. */
static void test_vm_signals_at_any_moment_change_nothing(void **state)
{
	static const struct step script[] = { { STEP_POKE, MiB(8), 1 }, RESET, PAUSE, { STEP_EXPECT, MiB(8), 0 }, STATUS(3), POWER_OFF, FOR_EVER };
	struct itimerval on = { { 0, 200 }, { 0, 200 } }, off = { 0 };
	struct sigaction sa = { .sa_handler = on_alarm }, old;
	struct vm_config c = large();

	c.reboot_reset = true;
	assert_int_equal(sigaction(SIGALRM, &sa, &old), 0);
	for (unsigned i = 0; i < 20; i++) {
		int status;

		assert_int_equal(setitimer(ITIMER_REAL, &on, NULL), 0);
		status = run(&c, script, 0);
		assert_int_equal(setitimer(ITIMER_REAL, &off, NULL), 0);
		assert_int_equal(status, 3);
		assert_int_equal(fake.missed, 0);
		assert_int_equal(fake.n_errors, 0);
		assert_true(reported("poweroff"));
	}
	assert_int_equal(sigaction(SIGALRM, &old, NULL), 0);
}

/* What the user named is looked at before the host is asked for anything. */
static void test_vm_missing_file_is_told_before_kvm_is_opened(void **state)
{
	static const struct step script[] = { FOR_EVER };
	struct vm_config c = small();

	c.initrd.path = "/nonexistent/initrd";
	assert_int_equal(run(&c, script, 0), EXIT_NOINPUT);
	assert_non_null(strstr(fake.said, "--initrd /nonexistent/initrd"));
	assert_null(fake.ram);
	assert_true(reported("start-up failed"));
	c.initrd.path = NULL;
	c.report = "/nonexistent/report";
	assert_int_equal(run(&c, script, 0), EXIT_NOINPUT);
	assert_non_null(strstr(fake.said, "--report /nonexistent/report"));
	assert_null(fake.ram);
}

/* Every call to the host, and for memory, fails in turn: one message and a host's or an internal status, or the VM can do without. */
static void fail_each(struct vm_config (*config)(void), const struct step *script)
{
	struct vm_config c = config();
	unsigned n;

	c.reboot_reset = true;
	assert_int_equal(run(&c, script, 0), 3);
	n = fake.calls;
	assert_true(n > 50);
	for (unsigned i = 1; i <= n; i++) {
		int status = run(&c, script, i);

		/* A report that cannot be written does not take the place of the guest's status. */
		if (status == 3 && (!fake.n_errors || (fake.n_errors == 1 && strncmp(fake.said, "--report", 8) == 0)))
			continue;
		if (fake.n_errors != 1 || (status != EXIT_NOINPUT && status != EXIT_HOST && status != EXIT_INTERNAL))
			fail_msg("call %u of %u: status %d, %u messages, the last: %s", i, n, status, fake.n_errors, fake.said);
	}
}

static const struct step twice[] = { RESET, PAUSE, STATUS(3), POWER_OFF, FOR_EVER };

static void test_vm_small_survives_each_failure(void **state)
{
	fail_each(small, twice);
}

static void test_vm_large_survives_each_failure(void **state)
{
	fail_each(large, twice);
}

/* The same with the host's own limit, which counts the descriptors of libraries too: those of io_uring, sockets, copies. */
static void test_vm_large_needs_descriptors_and_says_so(void **state)
{
	struct vm_config c = large();
	struct rlimit old, few;
	unsigned refused = 0;
	int status;

	c.reboot_reset = true;
	c.report = NULL;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = old;
	few.rlim_cur = open_fds();
	do {
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
		few.rlim_cur++;
		fake_start(twice, 0);
		status = vm_run(&c);
		fake_end();
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
		if (status == 3)
			break;
		refused++;
		if (fake.n_errors != 1 || status != EXIT_HOST || !strstr(fake.said, "ulimit -n"))
			fail_msg("%u descriptors: status %d, %u messages, the last: %s", (unsigned)few.rlim_cur, status, fake.n_errors, fake.said);
	} while (few.rlim_cur < 200);
	assert_int_equal(status, 3);
	assert_true(refused > 20);
}

/* An ELF kernel with a PVH entry point: one segment at 1 MiB, one note. */
static void make_kernel(void)
{
	u8 im[0x200] = "\177ELF\2\1\1";
	FILE *f = fopen(kernel, "w");

	put_le(im + 16, 2, ET_EXEC);
	put_le(im + 18, 2, EM_X86_64);
	put_le(im + 32, 8, 64);
	put_le(im + 54, 2, 56);
	put_le(im + 56, 2, 2);
	put_le(im + 64, 4, PT_LOAD);
	put_le(im + 64 + 24, 8, MiB(1));
	put_le(im + 64 + 32, 8, sizeof(im));
	put_le(im + 64 + 40, 8, sizeof(im));
	put_le(im + 120, 4, PT_NOTE);
	put_le(im + 120 + 8, 8, 0x100);
	put_le(im + 120 + 32, 8, 24);
	put_le(im + 120 + 40, 8, 24);
	put_le(im + 0x100, 4, 4);
	put_le(im + 0x104, 4, 8);
	put_le(im + 0x108, 4, 18);
	memcpy(im + 0x10c, "Xen", 4);
	put_le(im + 0x110, 8, MiB(1) + 0x180);
	assert_int_equal(fwrite(im, sizeof(im), 1, f), 1);
	fclose(f);
}

static int make_files(void **state)
{
	assert_non_null(mkdtemp(dir));
	snprintf(kernel, sizeof(kernel), "%s/kernel", dir);
	snprintf(disk, sizeof(disk), "%s/disk", dir);
	snprintf(sock, sizeof(sock), "%s/sock", dir);
	snprintf(console, sizeof(console), "%s/console", dir);
	snprintf(report, sizeof(report), "%s/report", dir);
	make_kernel();
	fclose(fopen(disk, "w"));
	return truncate(disk, MiB(1));
}

static int remove_files(void **state)
{
	unlink(kernel);
	unlink(disk);
	unlink(report);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vm_end_is_the_guests_or_the_users),
		cmocka_unit_test(test_vm_with_every_device_ends_well),
		cmocka_unit_test(test_vm_device_that_fails_at_a_reset_ends_it),
		cmocka_unit_test(test_vm_page_that_the_host_lost_is_named),
		cmocka_unit_test(test_vm_console_is_where_it_was_asked_for),
		cmocka_unit_test(test_vm_signal_after_the_end_leaves_the_status),
		cmocka_unit_test(test_vm_signal_that_was_ignored),
		cmocka_unit_test(test_vm_files_that_cannot_be_written_do_not_kill_it),
		cmocka_unit_test(test_vm_ready_line_leaves_descriptors_that_are_needed),
		cmocka_unit_test(test_vm_signals_at_any_moment_change_nothing),
		cmocka_unit_test(test_vm_missing_file_is_told_before_kvm_is_opened),
		cmocka_unit_test(test_vm_small_survives_each_failure),
		cmocka_unit_test(test_vm_large_survives_each_failure),
		cmocka_unit_test(test_vm_large_needs_descriptors_and_says_so),
	};

	/* Whoever runs the tests under nohup has it ignored. */
	signal(SIGHUP, SIG_DFL);
	return cmocka_run_group_tests(tests, make_files, remove_files);
}
