/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Input runs on the event thread alone. Output runs on the vCPUs and, for what had to wait, on the event thread; it has a lock.
 * The two meet in kick_fd: a vCPU writes it when output waits or input is welcome again. No path here allocates once the VM runs.
 *
 * Descriptors of others (stdin, stdout, fd:N) are shared with the shell and must not become non-blocking. Output goes through
 * an own open file description where one can be had (a pipe, a terminal), else poll() is asked before each small write.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#include "vmm/console.h"
#include "vmm/event.h"
#include "vmm/host_error.h"
#include "vmm/log.h"

#define CTRL_A 0x01
#define INPUT_BUF 4096
#define GUARDED_WRITE 256
#define FILE_ROUNDS 16

enum sink { SINK_NONE, SINK_PLAIN, SINK_SOCKET, SINK_GUARDED };

struct console {
	struct event *ev;
	struct console_user user;
	int in_fd, out_fd, kick_fd, slave_fd; /* -1: none */
	struct event_src in_src, out_src, kick_src;

	/* input */
	unsigned (*in)(void *dev, const u8 *buf, unsigned len);
	void *dev;
	bool terminal;   /* escape keys, raw mode; never paused, so that the keys always work */
	bool own_in;     /* in_fd is ours to close */
	bool unpollable; /* a regular file: always readable */
	bool eof, escaped;
	u8 pend[INPUT_BUF];
	unsigned n_pend;

	/* output */
	pthread_mutex_t lock;
	enum sink sink;
	bool kicked, stalled;
	u8 ring[CONSOLE_BUF];
	unsigned head, len;
};

/* --- the terminal's modes: process-wide, as signal handlers need them --- */

static struct termios saved_modes;
static _Atomic int saved_fd = -1;

static const int fatal_signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS };

/* With SIGTTOU blocked a background process may set the modes too. */
static void set_modes(int fd, const struct termios *t)
{
	sigset_t ttou, old;

	sigemptyset(&ttou);
	sigaddset(&ttou, SIGTTOU);
	pthread_sigmask(SIG_BLOCK, &ttou, &old);
	tcsetattr(fd, TCSANOW, t);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void console_restore(void)
{
	int fd = atomic_exchange(&saved_fd, -1);

	if (fd >= 0)
		set_modes(fd, &saved_modes);
}

/* SA_RESETHAND: the signal raised here ends the process when the handler returns. */
static void on_fatal(int sig)
{
	console_restore();
	raise(sig);
}

static void catch_fatal(bool on)
{
	for (unsigned i = 0; i < ARRAY_SIZE(fatal_signals); i++) {
		struct sigaction sa = { .sa_handler = on ? on_fatal : SIG_DFL, .sa_flags = on ? (int)SA_RESETHAND : 0 }, old;

		/* Who handles or ignores one already has a reason to. */
		if (sigaction(fatal_signals[i], NULL, &old) < 0 || old.sa_handler != (on ? SIG_DFL : on_fatal))
			continue;
		sigaction(fatal_signals[i], &sa, NULL);
	}
}

/* Output processing stays on, or nidus's own lines would become a staircase. */
static void make_raw(int fd)
{
	struct termios t;

	if (tcgetattr(fd, &t) < 0)
		return;
	saved_modes = t;
	atomic_store(&saved_fd, fd);
	catch_fatal(true);
	cfmakeraw(&t);
	t.c_oflag |= OPOST;
	t.c_cc[VMIN] = 1;
	t.c_cc[VTIME] = 0;
	set_modes(fd, &t);
}

/* --- escape keys --- */

enum console_key console_escape(bool *escaped, u8 typed, u8 *send)
{
	*send = typed;
	if (!*escaped) {
		*escaped = typed == CTRL_A;
		return *escaped ? CONSOLE_KEY_NONE : CONSOLE_KEY_SEND;
	}
	*escaped = false;
	switch (typed) {
	case CTRL_A:
		return CONSOLE_KEY_SEND;
	case 'x':
	case 'X':
		return CONSOLE_KEY_QUIT;
	case 'h':
	case 'H':
	case '?':
		return CONSOLE_KEY_HELP;
	default:
		return CONSOLE_KEY_NONE;
	}
}

static void help(void)
{
	static const char text[] = "\nCtrl-A X ends nidus, Ctrl-A Ctrl-A sends one Ctrl-A, Ctrl-A H shows this\n";

	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		return;
}

/* --- input, on the event thread --- */

static void kick(struct console *c)
{
	const u64 one = 1;

	/* EAGAIN: so many kicks wait that one more changes nothing. */
	if (write(c->kick_fd, &one, sizeof(one)) < 0)
		return;
}

static void deliver(struct console *c)
{
	unsigned n;

	if (!c->n_pend)
		return;
	n = c->in(c->dev, c->pend, c->n_pend);
	n = MIN(n, c->n_pend);
	c->n_pend -= n;
	memmove(c->pend, c->pend + n, c->n_pend);
}

/* A terminal's input that finds no room is lost, as with any terminal whose program does not read. */
static void take(struct console *c, u8 typed)
{
	u8 v = typed;

	switch (c->terminal ? console_escape(&c->escaped, typed, &v) : CONSOLE_KEY_SEND) {
	case CONSOLE_KEY_SEND:
		if (c->n_pend < INPUT_BUF)
			c->pend[c->n_pend++] = v;
		break;
	case CONSOLE_KEY_QUIT:
		if (c->user.quit)
			c->user.quit(c->user.arg);
		break;
	case CONSOLE_KEY_HELP:
		help();
		break;
	case CONSOLE_KEY_NONE:
		break;
	}
}

static void read_input(struct console *c)
{
	u8 buf[INPUT_BUF];
	ssize_t n = read(c->in_fd, buf, c->terminal ? 256 : INPUT_BUF - c->n_pend);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		c->eof = true;
		return;
	}
	for (ssize_t i = 0; i < n; i++)
		take(c, buf[i]);
	deliver(c);
}

static void on_input(void *arg, u32 events);

/*
 * A pipe is not read while its last bytes wait for the guest; the writer waits too then. It is taken out of the loop for that time, as the
 * end of its writer would be reported whatever is asked for.
 */
static int watch_input(struct console *c)
{
	bool want = c->in_fd >= 0 && !c->unpollable && !c->eof && (c->terminal || !c->n_pend);

	if (!want)
		event_del(&c->in_src);
	else if (!c->in_src.ev)
		return event_add(c->ev, &c->in_src, c->in_fd, EPOLLIN, on_input, c);
	return 0;
}

static void on_input(void *arg, u32 events)
{
	struct console *c = arg;

	read_input(c);
	if (watch_input(c))
		c->eof = true;
}

static void pump_input(struct console *c)
{
	if (!c->in)
		return;
	deliver(c);
	for (int i = 0; c->unpollable && !c->eof && !c->n_pend; i++) {
		if (i == FILE_ROUNDS) {
			kick(c);
			return;
		}
		read_input(c);
	}
	if (watch_input(c))
		c->eof = true;
}

/* --- output, under the lock --- */

/* Bytes the host took, 0 if none for now, -errno. */
static ssize_t try_write(struct console *c, const u8 *buf, unsigned len)
{
	struct pollfd p = { .fd = c->out_fd, .events = POLLOUT };
	ssize_t n;

	do {
		if (c->sink == SINK_SOCKET)
			n = send(c->out_fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		else if (c->sink == SINK_GUARDED && poll(&p, 1, 0) <= 0)
			return 0;
		else
			n = write(c->out_fd, buf, c->sink == SINK_GUARDED ? MIN(len, GUARDED_WRITE) : len);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return n;
	return errno == EAGAIN ? 0 : -errno;
}

/* A full disk may have room later; everything else has ended for good. */
static void lost(struct console *c, ssize_t err)
{
	c->len = 0;
	if (err == -ENOSPC || err == -EDQUOT) {
		log_guest("console: output is lost: %s", strerror((int)-err));
		return;
	}
	c->sink = SINK_NONE;
	log_warn("console: the reader is gone (%s), output is dropped", strerror((int)-err));
}

static void flush_ring(struct console *c)
{
	while (c->len && c->sink != SINK_NONE) {
		ssize_t n = try_write(c, c->ring + c->head, MIN(c->len, CONSOLE_BUF - c->head));

		if (n < 0)
			lost(c, n);
		if (n <= 0)
			return;
		c->head = (c->head + (unsigned)n) % CONSOLE_BUF;
		c->len -= (unsigned)n;
		c->stalled = false;
	}
}

static u64 now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * 1000 + (u64)ts.tv_nsec / 1000000;
}

/* Waits until at most `left` bytes are buffered; gives up when time is over. */
static void wait_ring(struct console *c, unsigned left)
{
	u64 end = now_ms() + CONSOLE_STALL_MS, now = end - CONSOLE_STALL_MS;

	flush_ring(c);
	while (c->len > left && c->sink != SINK_NONE && now < end) {
		struct pollfd p = { .fd = c->out_fd, .events = POLLOUT };

		if (poll(&p, 1, (int)(end - now)) > 0)
			flush_ring(c);
		now = now_ms();
	}
}

static void push(struct console *c, const u8 *buf, unsigned len)
{
	for (unsigned i = 0; i < len; i++)
		c->ring[(c->head + c->len++) % CONSOLE_BUF] = buf[i];
}

void console_out(void *arg, const u8 *buf, unsigned len)
{
	struct console *c = arg;
	ssize_t n = 0;

	pthread_mutex_lock(&c->lock);
	if (!c->len && c->sink != SINK_NONE) {
		n = try_write(c, buf, len);
		if (n < 0)
			lost(c, n);
	}
	if (n < 0 || c->sink == SINK_NONE || (unsigned)n == len)
		goto unlock;
	buf += n;
	len -= (unsigned)n;
	if (len > CONSOLE_BUF - c->len && !c->stalled) {
		wait_ring(c, CONSOLE_BUF - MIN(len, CONSOLE_BUF));
		c->stalled = len > CONSOLE_BUF - c->len;
		if (c->stalled)
			log_guest("console: nobody reads, output is dropped until somebody does");
	}
	push(c, buf, MIN(len, CONSOLE_BUF - c->len));
	if (!c->kicked) {
		c->kicked = true;
		kick(c);
	}
unlock:
	pthread_mutex_unlock(&c->lock);
}

static void on_output(void *arg, u32 events)
{
	struct console *c = arg;

	pthread_mutex_lock(&c->lock);
	flush_ring(c);
	if (!c->len) {
		c->kicked = false;
		event_del(&c->out_src);
	}
	pthread_mutex_unlock(&c->lock);
}

static void on_kick(void *arg, u32 events)
{
	struct console *c = arg;
	u64 count;

	if (read(c->kick_fd, &count, sizeof(count)) < 0)
		return;
	pthread_mutex_lock(&c->lock);
	if (c->len && !c->out_src.ev && event_add(c->ev, &c->out_src, c->out_fd, EPOLLOUT, on_output, c)) {
		/* Cannot be waited for: the next output tries again. */
		flush_ring(c);
		c->kicked = false;
	}
	if (!c->len)
		c->kicked = false;
	pthread_mutex_unlock(&c->lock);
	pump_input(c);
}

void console_in_ready(void *arg)
{
	kick(arg);
}

/* --- opening --- */

/* True for what reopening through /proc gives another description of the same pipe or terminal. */
static bool can_reopen(int fd, const struct stat *st)
{
	bool ptmx = S_ISCHR(st->st_mode) && major(st->st_rdev) == 5 && minor(st->st_rdev) == 2;

	return S_ISFIFO(st->st_mode) || (!ptmx && isatty(fd));
}

/* Takes over a descriptor that others share. A closed one is no error: output is then dropped. */
static int share_output(struct console *c, int fd)
{
	char path[40];
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	if (fstat(fd, &st) < 0 || flags < 0)
		return 0;
	if (can_reopen(fd, &st)) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		c->out_fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	}
	c->sink = SINK_PLAIN;
	if (c->out_fd >= 0)
		return 0;
	c->out_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (c->out_fd < 0)
		return -errno;
	if (S_ISSOCK(st.st_mode))
		c->sink = SINK_SOCKET;
	else if (!S_ISREG(st.st_mode) && !(flags & O_NONBLOCK))
		c->sink = SINK_GUARDED;
	return 0;
}

static int open_stdio(struct console *c)
{
	c->in_fd = STDIN_FILENO;
	c->terminal = isatty(STDIN_FILENO);
	if (c->terminal && tcgetpgrp(STDIN_FILENO) != getpgrp()) {
		log_info("console: in the background, the terminal's input is not used");
		c->terminal = false;
		c->in_fd = -1;
	}
	return share_output(c, STDOUT_FILENO);
}

static int open_file(struct console *c, const struct file_cfg *f)
{
	int rc;

	if (f->fd >= 0) {
		rc = share_output(c, f->fd);
		if (!rc && c->sink == SINK_NONE)
			rc = -EBADF;
	} else {
		c->out_fd = open(f->path, O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0666);
		c->sink = SINK_PLAIN;
		rc = c->out_fd < 0 ? -errno : 0;
	}
	/* The kernel's word for a named pipe that nobody has open for reading. */
	if (rc)
		log_error("--console: cannot write %s: %s", f->path, rc == -ENXIO ? "nobody reads it: start its reader first" : host_error_text(rc));
	return rc ? host_error_status(rc) : 0;
}

/* The slave stays open here, so that users may come and go, and its modes raw. */
static int open_pty(struct console *c)
{
	struct termios t;
	char name[64];

	c->own_in = true;
	c->in_fd = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (c->in_fd < 0 || grantpt(c->in_fd) < 0 || unlockpt(c->in_fd) < 0 || ptsname_r(c->in_fd, name, sizeof(name)))
		return -errno;
	c->slave_fd = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (c->slave_fd < 0 || tcgetattr(c->slave_fd, &t) < 0)
		return -errno;
	cfmakeraw(&t);
	if (tcsetattr(c->slave_fd, TCSANOW, &t) < 0)
		return -errno;
	c->out_fd = fcntl(c->in_fd, F_DUPFD_CLOEXEC, 3);
	if (c->out_fd < 0)
		return -errno;
	c->sink = SINK_PLAIN;
	/* A warning, because whoever asked for it needs the name at the default level too. */
	log_warn("the console is %s", name);
	return 0;
}

static int open_kind(struct console *c, const struct console_cfg *cfg)
{
	int rc = 0;

	switch (cfg->kind) {
	case CONSOLE_STDIO:
		rc = open_stdio(c);
		break;
	case CONSOLE_FILE:
		return open_file(c, &cfg->file);
	case CONSOLE_PTY:
		rc = open_pty(c);
		break;
	case CONSOLE_OFF:
		break;
	}
	if (!rc)
		return 0;
	log_error("--console: %s", host_error_text(rc));
	return EXIT_HOST;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

static void console_free(struct console *c)
{
	if (c->own_in)
		close_fd(c->in_fd);
	close_fd(c->slave_fd);
	close_fd(c->out_fd);
	close_fd(c->kick_fd);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

int console_create(struct event *ev, const struct console_cfg *cfg, const struct console_user *user, struct console **out)
{
	struct console *c = calloc(1, sizeof(*c));
	int rc;

	if (!c) {
		log_error("--console: out of memory");
		return EXIT_HOST;
	}
	pthread_mutex_init(&c->lock, NULL);
	c->ev = ev;
	c->user = *user;
	c->in_fd = c->out_fd = c->slave_fd = -1;
	c->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rc = c->kick_fd < 0 ? -errno : event_add(ev, &c->kick_src, c->kick_fd, EPOLLIN, on_kick, c);
	if (rc) {
		log_error("--console: %s", host_error_text(rc));
		rc = EXIT_HOST;
	} else {
		rc = open_kind(c, cfg);
	}
	if (rc) {
		event_del(&c->kick_src);
		console_free(c);
		return rc;
	}
	*out = c;
	return 0;
}

int console_attach(struct console *c, unsigned (*in)(void *dev, const u8 *buf, unsigned len), void *dev)
{
	int rc;

	c->in = in;
	c->dev = dev;
	rc = watch_input(c);
	if (rc == -EPERM) {
		c->unpollable = true;
		kick(c);
		return 0;
	}
	/* A closed stdin is an empty one. */
	if (rc == -EBADF) {
		c->eof = true;
		return 0;
	}
	if (!rc && c->terminal)
		make_raw(c->in_fd);
	return rc;
}

void console_destroy(struct console *c)
{
	if (!c)
		return;
	event_del(&c->in_src);
	event_del(&c->out_src);
	event_del(&c->kick_src);
	pthread_mutex_lock(&c->lock);
	if (c->len)
		wait_ring(c, 0);
	pthread_mutex_unlock(&c->lock);
	if (c->terminal) {
		console_restore();
		catch_fatal(false);
	}
	console_free(c);
}
