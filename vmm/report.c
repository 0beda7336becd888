/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "vmm/mem.h"
#include "vmm/report.h"

#define MAX_SECTIONS 64

struct report_obj {
	json_t *j;
};

struct section {
	const char *name;
	void (*fn)(void *arg, struct report_obj *o);
	void *arg;
};

struct report {
	pthread_mutex_t lock;
	u64 start_ns, stamp[REPORT_PHASES], cpu_first_run_ns;
	struct section *sections;
	unsigned n, cap;
};

static const char *const phase_names[REPORT_PHASES] = { "config", "kvm", "ram", "loaded", "first_run", "end" };

static u64 clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (u64)ts.tv_sec * 1000000000 + (u64)ts.tv_nsec;
}

u64 report_now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

int report_create(u64 start_ns, struct report **out)
{
	struct report *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	pthread_mutex_init(&r->lock, NULL);
	r->start_ns = start_ns ? start_ns : report_now_ns();
	report_phase(r, REPORT_CONFIG);
	*out = r;
	return 0;
}

void report_destroy(struct report *r)
{
	if (!r)
		return;
	pthread_mutex_destroy(&r->lock);
	free(r->sections);
	free(r);
}

void report_phase(struct report *r, enum report_phase p)
{
	u64 now = report_now_ns();

	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	if (!r->stamp[p]) {
		r->stamp[p] = MAX(now - r->start_ns, 1);
		if (p == REPORT_FIRST_RUN)
			r->cpu_first_run_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	}
	pthread_mutex_unlock(&r->lock);
}

int report_section(struct report *r, const char *name, void (*fn)(void *arg, struct report_obj *o), void *arg)
{
	int rc = 0;

	if (!r)
		return 0;
	pthread_mutex_lock(&r->lock);
	if (r->n == MAX_SECTIONS) {
		rc = -ENOSPC;
		goto unlock;
	}
	if (r->n == r->cap) {
		unsigned cap = r->cap ? 2 * r->cap : 8;
		struct section *s = reallocarray(r->sections, cap, sizeof(*s));

		if (!s) {
			rc = -ENOMEM;
			goto unlock;
		}
		r->sections = s;
		r->cap = cap;
	}
	r->sections[r->n++] = (struct section){ name, fn, arg };
unlock:
	pthread_mutex_unlock(&r->lock);
	return rc;
}

/* json_object_set_new() takes NULL values and then fails: lack of memory leaves a member out. */
static void put(json_t *o, const char *key, json_t *v)
{
	if (json_object_set_new(o, key, v))
		return;
}

/* jansson's integers are signed. */
static json_t *number(u64 v)
{
	return json_integer((json_int_t)MIN(v, (u64)INT64_MAX));
}

void report_u64(struct report_obj *o, const char *key, u64 v)
{
	put(o->j, key, number(v));
}

void report_bool(struct report_obj *o, const char *key, bool v)
{
	put(o->j, key, json_boolean(v));
}

void report_str(struct report_obj *o, const char *key, const char *v)
{
	put(o->j, key, json_string(v));
}

/* Bytes of /proc/self/status's field, 0 if it cannot be read. */
static u64 status_bytes(const char *field)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];
	u64 v = 0;

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		if (strncmp(line, field, strlen(field)) == 0)
			v = strtoull(line + strlen(field), NULL, 10) * 1024;
	}
	fclose(f);
	return v;
}

static bool is_ram(const struct mem *mem, u64 hva)
{
	gpa_t gpa;

	return mem && mem_gpa(mem, (const void *)(uintptr_t)hva, &gpa) == 0;
}

/*
 * Proportional set size of all mappings but guest RAM's: /proc/self/smaps has a line "start-end perms offset dev inode name" and then fields,
 * "Pss:" among them, for each.
 */
static u64 pss_beside_ram(const struct mem *mem)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	bool ram = false;
	char line[512];
	u64 sum = 0;

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		size_t word = strcspn(line, " :\n");

		if (line[word] == ' ')
			ram = is_ram(mem, strtoull(line, NULL, 16));
		else if (!ram && strncmp(line, "Pss:", 4) == 0)
			sum += strtoull(line + 4, NULL, 10) * 1024;
	}
	fclose(f);
	return sum;
}

static json_t *phases_json(const struct report *r)
{
	json_t *o = json_object();

	for (unsigned i = 0; i < REPORT_PHASES; i++)
		put(o, phase_names[i], r->stamp[i] ? number(r->stamp[i]) : json_null());
	return o;
}

static json_t *memory_json(const struct report_end *e)
{
	json_t *o = json_object();

	put(o, "ram_bytes", number(e->mem ? mem_total_bytes(e->mem) : 0));
	put(o, "peak_rss_bytes", number(status_bytes("VmHWM:")));
	put(o, "pss_beside_ram_bytes", number(pss_beside_ram(e->mem)));
	return o;
}

/* The list is taken under the lock, the functions are called outside it. */
static json_t *devices_json(struct report *r)
{
	json_t *all = json_object();

	for (unsigned i = 0;; i++) {
		struct report_obj o = { json_object() };
		struct section s = { NULL, NULL, NULL };

		pthread_mutex_lock(&r->lock);
		if (i < r->n)
			s = r->sections[i];
		pthread_mutex_unlock(&r->lock);
		if (!s.fn || !o.j) {
			json_decref(o.j);
			return all;
		}
		s.fn(s.arg, &o);
		put(all, s.name, o.j);
	}
}

char *report_text(struct report *r, const struct report_end *e)
{
	json_t *o = json_object();
	char *text;

	report_phase(r, REPORT_END);
	put(o, "version", json_integer(1));
	put(o, "nidus", json_string(NIDUS_VERSION));
	put(o, "reason", json_string(e->reason));
	put(o, "exit_code", json_integer(e->exit_code));
	put(o, "phases_ns", phases_json(r));
	put(o, "cpu_to_first_run_ns", r->stamp[REPORT_FIRST_RUN] ? number(r->cpu_first_run_ns) : json_null());
	put(o, "exits", number(e->exits));
	put(o, "memory", memory_json(e));
	put(o, "devices", devices_json(r));
	text = json_dumps(o, JSON_INDENT(2));
	json_decref(o);
	return text;
}

static int write_all(int fd, const char *s)
{
	size_t len = strlen(s);

	while (len) {
		ssize_t n = write(fd, s, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			s += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static int write_text(int fd, const char *text)
{
	int rc = write_all(fd, text);

	return rc ? rc : write_all(fd, "\n");
}

static bool is_fd(const char *path)
{
	return strncmp(path, "fd:", 3) == 0;
}

/* N of "fd:N", or -1. */
static int fd_number(const char *path)
{
	char *end;
	long n = strtol(path + 3, &end, 10);

	return path[3] && !*end && n >= 0 && n <= INT_MAX ? (int)n : -1;
}

/* A descriptor, a pipe, a terminal: written as they are. */
static int write_in_place(const char *path, const char *text)
{
	int fd, rc;

	if (is_fd(path)) {
		fd = fd_number(path);
		return fd < 0 ? -EBADF : write_text(fd, text);
	}
	fd = open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = write_text(fd, text);
	close(fd);
	return rc;
}

static int write_renamed(const char *path, const char *text)
{
	char *tmp;
	int fd, rc;

	if (asprintf(&tmp, "%s.%d.tmp", path, (int)getpid()) < 0)
		return -ENOMEM;
	/* Another process of that id may have died here. */
	unlink(tmp);
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0) {
		rc = -errno;
		goto free_tmp;
	}
	rc = write_text(fd, text);
	if (close(fd) < 0 && !rc)
		rc = -errno;
	if (!rc && rename(tmp, path) < 0)
		rc = -errno;
	if (rc)
		unlink(tmp);
free_tmp:
	free(tmp);
	return rc;
}

/* The folder in which path is, or would be. */
static int check_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *dir = slash ? strdup(path) : NULL;
	int err;

	if (slash && !dir)
		return -ENOMEM;
	if (dir)
		dir[MAX(slash - path, 1)] = 0;
	err = access(dir ? dir : ".", W_OK | X_OK) < 0 ? -errno : 0;
	free(dir);
	return err;
}

/* Standard output or error if that is the file itself: with another in its place, what else goes there would be lost. -1: neither. */
static int standard_fd(const struct stat *st)
{
	for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++) {
		struct stat own;

		if (fstat(fd, &own) == 0 && own.st_dev == st->st_dev && own.st_ino == st->st_ino)
			return fd;
	}
	return -1;
}

/* fn for the file that path leads to: what is replaced is never a link, such as /dev/stdout. */
static int at_target(const char *path, const char *text, int (*fn)(const char *path, const char *text))
{
	char *target = realpath(path, NULL);
	int rc = target ? fn(target, text) : -errno;

	free(target);
	return rc;
}

static int check_regular(const char *path, const char *text)
{
	return check_folder(path);
}

int report_check(const char *path)
{
	struct stat st;
	int fd;

	if (is_fd(path)) {
		fd = fd_number(path);
		return fd >= 0 && fcntl(fd, F_GETFD) >= 0 ? 0 : -EBADF;
	}
	if (stat(path, &st) < 0)
		return errno == ENOENT ? check_folder(path) : -errno;
	if (S_ISREG(st.st_mode))
		return standard_fd(&st) >= 0 ? 0 : at_target(path, NULL, check_regular);
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	return access(path, W_OK) < 0 ? -errno : 0;
}

int report_write(struct report *r, const char *path, const struct report_end *e)
{
	struct stat st;
	char *text;
	int rc;

	if (!r)
		return 0;
	text = report_text(r, e);
	if (!text)
		return -ENOMEM;
	if (is_fd(path))
		rc = write_in_place(path, text);
	else if (stat(path, &st) < 0)
		rc = write_renamed(path, text);
	else if (!S_ISREG(st.st_mode))
		rc = write_in_place(path, text);
	else if (standard_fd(&st) >= 0)
		rc = write_text(standard_fd(&st), text);
	else
		rc = at_target(path, text, write_renamed);
	free(text);
	return rc;
}
