/* SPDX-License-Identifier: Apache-2.0 */
// wrap: poll clock_gettime
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "vmm/console.h"
#include "vmm/event.h"

/* Time moves only while somebody waits, and nobody waits in vain. */
static u64 clock_ms = 1000;
static unsigned waits;

int __real_poll(struct pollfd *p, nfds_t n, int ms);
int __wrap_poll(struct pollfd *p, nfds_t n, int ms)
{
	waits += ms > 0;
	clock_ms += ms > 0 ? (u64)ms : 0;
	return __real_poll(p, n, 0);
}

int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	*ts = (struct timespec){ (time_t)(clock_ms / 1000), (long)(clock_ms % 1000) * 1000000 };
	return 0;
}

/* A guest's device with room for as many bytes as a test says; it stops the loop once it has `want`. */
static struct {
	struct event *ev;
	struct console *con;
	char got[70000];
	unsigned n, room, want;
	bool quit;
} t;

static unsigned dev_in(void *dev, const u8 *buf, unsigned len)
{
	unsigned n = MIN(len, t.room);

	memcpy(t.got + t.n, buf, n);
	t.n += n;
	t.room -= n;
	if (t.n >= t.want || !t.room)
		event_stop(t.ev);
	return n;
}

static void on_quit(void *arg)
{
	t.quit = true;
	event_stop(t.ev);
}

static int setup(void **state)
{
	memset(&t, 0, sizeof(t));
	t.room = t.want = sizeof(t.got);
	return event_create(&t.ev);
}

static int teardown(void **state)
{
	event_destroy(t.ev);
	return 0;
}

static int create(enum console_kind kind, const char *path, int fd)
{
	const struct console_user user = { on_quit, NULL };
	char *p = path ? strdup(path) : NULL;
	struct console_cfg cfg = { .kind = kind, .file = { p, fd } };
	int rc = console_create(t.ev, &cfg, &user, &t.con);

	free(p);
	return rc;
}

/* Replaces stdin, which the console reads itself, and stdout by a file that swallows everything. */
static int saved[2];

static void replace(int in)
{
	int null = open("/dev/null", O_WRONLY);

	fflush(stdout);
	saved[0] = dup(0);
	saved[1] = dup(1);
	dup2(in, 0);
	dup2(null, 1);
	close(null);
}

static void put_back(void)
{
	dup2(saved[0], 0);
	dup2(saved[1], 1);
	close(saved[0]);
	close(saved[1]);
}

static void out(const char *s)
{
	console_out(t.con, (const u8 *)s, (unsigned)strlen(s));
}

static const struct {
	const char *typed, *sent;
	enum console_key last;
} keys[] = {
	{ "abc", "abc", CONSOLE_KEY_SEND },
	{ "\x03\x1a\x1c", "\x03\x1a\x1c", CONSOLE_KEY_SEND },
	{ "\x01", "", CONSOLE_KEY_NONE },
	{ "\x01\x01", "\x01", CONSOLE_KEY_SEND },
	{ "\x01\x01x", "\x01x", CONSOLE_KEY_SEND },
	{ "\x01x", "", CONSOLE_KEY_QUIT },
	{ "a\x01X", "a", CONSOLE_KEY_QUIT },
	{ "\x01h", "", CONSOLE_KEY_HELP },
	{ "\x01?", "", CONSOLE_KEY_HELP },
	{ "\x01zq", "q", CONSOLE_KEY_SEND },
};

static void test_console_escape_keys(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(keys); i++) {
		enum console_key k = CONSOLE_KEY_NONE;
		bool escaped = false;
		char sent[16] = "";

		for (const char *p = keys[i].typed; *p; p++) {
			u8 v;

			k = console_escape(&escaped, (u8)*p, &v);
			if (k == CONSOLE_KEY_SEND)
				sent[strlen(sent)] = (char)v;
		}
		assert_int_equal(k, keys[i].last);
		assert_string_equal(sent, keys[i].sent);
	}
}

static void test_console_file_is_truncated_and_written(void **state)
{
	char path[] = "/tmp/test_console.XXXXXX", buf[16] = "";
	int fd = mkstemp(path);

	assert_int_equal(write(fd, "old text", 8), 8);
	assert_int_equal(create(CONSOLE_FILE, path, -1), 0);
	assert_int_equal(console_attach(t.con, dev_in, NULL), 0);
	out("new");
	console_destroy(t.con);
	assert_int_equal(pread(fd, buf, sizeof(buf), 0), 3);
	assert_string_equal(buf, "new");
	close(fd);
	unlink(path);
}

static void test_console_file_errors_are_noinput(void **state)
{
	assert_int_equal(create(CONSOLE_FILE, "/nonexistent/x", -1), EXIT_NOINPUT);
	assert_int_equal(create(CONSOLE_FILE, "/tmp", -1), EXIT_NOINPUT);
	assert_int_equal(create(CONSOLE_FILE, "fd:999999", 999999), EXIT_NOINPUT);
}

static void test_console_pipe_without_reader_says_so(void **state)
{
	char path[] = "/tmp/test_console.XXXXXX", text[256] = "";
	int p[2], old = dup(STDERR_FILENO), status;

	assert_int_equal(close(mkstemp(path)), 0);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(pipe(p), 0);
	assert_int_equal(dup2(p[1], STDERR_FILENO), STDERR_FILENO);
	status = create(CONSOLE_FILE, path, -1);
	assert_int_equal(dup2(old, STDERR_FILENO), STDERR_FILENO);
	assert_int_equal(status, EXIT_NOINPUT);
	assert_true(read(p[0], text, sizeof(text) - 1) > 0);
	assert_non_null(strstr(text, "nobody reads it: start its reader first"));
	unlink(path);
	close(old);
	close(p[0]);
	close(p[1]);
}

static void test_console_off_swallows(void **state)
{
	assert_int_equal(create(CONSOLE_OFF, NULL, -1), 0);
	assert_int_equal(console_attach(t.con, dev_in, NULL), 0);
	out("x");
	console_destroy(t.con);
}

static void test_console_reader_gone_drops_output(void **state)
{
	int p[2];

	assert_int_equal(pipe(p), 0);
	assert_int_equal(create(CONSOLE_FILE, "fd", p[1]), 0);
	close(p[0]);
	for (int i = 0; i < 3; i++)
		out("x");
	console_destroy(t.con);
	close(p[1]);
}

/* A full pipe: what fits the buffer waits, the rest is dropped after one stall; then reading brings all that was kept, in order. */
static void test_console_full_pipe_stalls_once(void **state)
{
	enum { CHUNK = 1000, CHUNKS = 200 };
	static char all[CHUNK * CHUNKS];
	unsigned total = 0, seq = 0;
	u8 chunk[CHUNK];
	ssize_t n;
	int p[2];

	assert_int_equal(pipe(p), 0);
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	assert_int_equal(create(CONSOLE_FILE, "fd", p[1]), 0);
	waits = 0;
	for (unsigned i = 0; i < CHUNKS; i++) {
		for (unsigned j = 0; j < CHUNK; j++)
			chunk[j] = (u8)(seq++ % 251);
		console_out(t.con, chunk, CHUNK);
	}
	assert_int_equal(waits, 1);
	while ((n = read(p[0], all + total, sizeof(all) - total)) > 0)
		total += (unsigned)n;
	/* The end is written by console_destroy(). */
	console_destroy(t.con);
	while ((n = read(p[0], all + total, sizeof(all) - total)) > 0)
		total += (unsigned)n;
	assert_true(total >= CONSOLE_BUF + 65536 - 4096 && total < sizeof(all));
	for (unsigned i = 0; i < total; i++)
		assert_int_equal((u8)all[i], i % 251);
	close(p[0]);
	close(p[1]);
}

static struct event_src reader;
static unsigned read_bytes;

static void on_readable(void *arg, u32 events)
{
	static char buf[200000];
	ssize_t n = read(reader.fd, buf, sizeof(buf));

	read_bytes += n > 0 ? (unsigned)n : 0;
	if (read_bytes == 66536)
		event_stop(t.ev);
}

/* What had to wait goes out on the event thread once the reader reads. */
static void test_console_waiting_output_is_sent_by_the_loop(void **state)
{
	static u8 text[65536];
	int p[2];

	assert_int_equal(pipe(p), 0);
	assert_int_equal(create(CONSOLE_FILE, "fd", p[1]), 0);
	console_out(t.con, text, 65536);
	console_out(t.con, text, 1000);
	read_bytes = 0;
	assert_int_equal(event_add(t.ev, &reader, p[0], EPOLLIN, on_readable, NULL), 0);
	assert_int_equal(event_run(t.ev), 0);
	assert_int_equal(read_bytes, 66536);
	event_del(&reader);
	console_destroy(t.con);
	close(p[0]);
	close(p[1]);
}

static void test_console_pipe_input_waits_for_room(void **state)
{
	int in[2];

	assert_int_equal(pipe(in), 0);
	assert_int_equal(write(in[1], "hello\x01x world", 13), 13);
	close(in[1]);
	replace(in[0]);
	assert_int_equal(create(CONSOLE_STDIO, NULL, -1), 0);
	t.room = 5;
	assert_int_equal(console_attach(t.con, dev_in, NULL), 0);
	out("swallowed");
	assert_int_equal(event_run(t.ev), 0);
	assert_int_equal(t.n, 5);
	t.room = 100;
	t.want = 13;
	console_in_ready(t.con);
	assert_int_equal(event_run(t.ev), 0);
	console_destroy(t.con);
	put_back();
	close(in[0]);
	/* Escape keys are for terminals. */
	assert_false(t.quit);
	assert_int_equal(t.n, 13);
	assert_memory_equal(t.got, "hello\x01x world", 13);
}

static void test_console_regular_file_is_input(void **state)
{
	char path[] = "/tmp/test_console.XXXXXX";
	static char text[10000];
	int fd = mkstemp(path);

	unlink(path);
	memset(text, 'y', sizeof(text));
	assert_int_equal(write(fd, text, sizeof(text)), sizeof(text));
	lseek(fd, 0, SEEK_SET);
	replace(fd);
	assert_int_equal(create(CONSOLE_STDIO, NULL, -1), 0);
	assert_int_equal(console_attach(t.con, dev_in, NULL), 0);
	t.want = sizeof(text);
	for (t.room = 7000; t.n < t.want; t.room = 7000) {
		console_in_ready(t.con);
		assert_int_equal(event_run(t.ev), 0);
	}
	console_destroy(t.con);
	put_back();
	close(fd);
	assert_memory_equal(t.got, text, sizeof(text));
}

static void test_console_pty_carries_both_ways(void **state)
{
	char line[256] = "", buf[16] = "", *name;
	int p[2], save = dup(2), fd;

	assert_int_equal(pipe(p), 0);
	dup2(p[1], 2);
	assert_int_equal(create(CONSOLE_PTY, NULL, -1), 0);
	dup2(save, 2);
	assert_true(read(p[0], line, sizeof(line) - 1) > 0);
	name = strstr(line, "/dev/pts/");
	assert_non_null(name);
	name[strcspn(name, "\n")] = 0;
	fd = open(name, O_RDWR | O_NOCTTY);
	assert_true(fd >= 0);
	assert_int_equal(console_attach(t.con, dev_in, NULL), 0);
	out("a\n");
	assert_int_equal(read(fd, buf, sizeof(buf)), 2);
	assert_string_equal(buf, "a\n");
	t.want = 3;
	assert_int_equal(write(fd, "\x03\r\n", 3), 3);
	assert_int_equal(event_run(t.ev), 0);
	assert_memory_equal(t.got, "\x03\r\n", 3);
	console_destroy(t.con);
	close(fd);
	close(save);
	close(p[0]);
	close(p[1]);
}

/* A process whose terminal is the slave: types through the master, and ends by leave. */
static int in_terminal(const char *typed, int *master, struct termios *before, struct termios *after, void (*leave)(void))
{
	int slave, status;
	pid_t pid;

	*master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(*master >= 0 && grantpt(*master) == 0 && unlockpt(*master) == 0);
	slave = open(ptsname(*master), O_RDWR | O_NOCTTY);
	assert_true(slave >= 0);
	assert_int_equal(tcgetattr(slave, before), 0);
	assert_int_equal(write(*master, typed, strlen(typed)), strlen(typed));
	pid = fork();
	if (!pid) {
		setsid();
		ioctl(slave, TIOCSCTTY, 0);
		dup2(slave, 0);
		dup2(slave, 1);
		if (create(CONSOLE_STDIO, NULL, -1) || console_attach(t.con, dev_in, NULL))
			_exit(1);
		leave();
		_exit(2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(tcgetattr(slave, after), 0);
	close(slave);
	return status;
}

/* The guest takes nothing: the keys must work all the same. */
static void leave_by_key(void)
{
	struct termios now;

	t.room = 0;
	tcgetattr(0, &now);
	while (!t.quit && event_run(t.ev) == 0)
		;
	console_destroy(t.con);
	_exit(now.c_lflag & (ICANON | ECHO | ISIG) ? 3 : 0);
}

static void leave_by_signal(void)
{
	raise(SIGTERM);
}

static void test_console_terminal_is_raw_and_restored(void **state)
{
	struct termios before, after;
	int master, status;

	status = in_terminal("", &master, &before, &after, leave_by_signal);
	close(master);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGTERM);
	assert_int_equal(before.c_lflag, after.c_lflag);
	assert_int_equal(before.c_iflag, after.c_iflag);
}

static void test_console_escape_works_while_the_guest_reads_nothing(void **state)
{
	struct termios before, after;
	int master, status;

	status = in_terminal("abc\x01X", &master, &before, &after, leave_by_key);
	close(master);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(before.c_lflag, after.c_lflag);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_console_escape_keys),
		T(test_console_file_is_truncated_and_written),
		T(test_console_file_errors_are_noinput),
		T(test_console_pipe_without_reader_says_so),
		T(test_console_off_swallows),
		T(test_console_reader_gone_drops_output),
		T(test_console_full_pipe_stalls_once),
		T(test_console_waiting_output_is_sent_by_the_loop),
		T(test_console_pipe_input_waits_for_room),
		T(test_console_regular_file_is_input),
		T(test_console_pty_carries_both_ways),
		T(test_console_terminal_is_raw_and_restored),
		T(test_console_escape_works_while_the_guest_reads_nothing),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
