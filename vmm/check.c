/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "vmm/check.h"
#include "vmm/check_vfio.h"
#include "vmm/host_pci.h"
#include "vmm/vcpu.h"

#define NODE "/dev/kvm"
#define MAX_ITEMS 256

struct item {
	const char *what;
	bool ok;
	char bdf[HOST_BDF_LEN]; /* "": it is about the host */
	enum tristate answer;
	char detail[160], remedy[200];
};

struct results {
	struct item item[MAX_ITEMS];
	unsigned n;
};

static struct item *add(struct results *r, const char *what, bool ok, const char *fmt, ...) __printf(4, 5);
static struct item *add(struct results *r, const char *what, bool ok, const char *fmt, ...)
{
	struct item *i = &r->item[MIN(r->n, MAX_ITEMS - 1U)];
	va_list ap;

	r->n = MIN(r->n + 1, (unsigned)MAX_ITEMS);
	*i = (struct item){ .what = what, .ok = ok, .answer = UNSET };
	va_start(ap, fmt);
	vsnprintf(i->detail, sizeof(i->detail), fmt, ap);
	va_end(ap);
	return i;
}

static void remedy(struct item *i, const char *text)
{
	snprintf(i->remedy, sizeof(i->remedy), "%s", text);
}

/* A descriptor of KVM, or -1 with the reason added. */
static int open_kvm(const struct vm_config *c, struct results *r)
{
	int fd = c->kvm_fd >= 0 ? fcntl(c->kvm_fd, F_DUPFD_CLOEXEC, 3) : open(NODE, O_RDWR | O_CLOEXEC);
	int err = errno;
	struct item *i;

	if (fd >= 0) {
		add(r, "kvm", true, c->kvm_fd >= 0 ? "the inherited descriptor is open" : NODE " can be opened by this user");
		return fd;
	}
	i = add(r, "kvm", false, "%s: %s", c->kvm_fd >= 0 ? "the inherited descriptor" : NODE, strerror(err));
	if (err == EACCES || err == EPERM)
		remedy(i, "add the user to group kvm (usermod -aG kvm USER) and log in again");
	else if (err == EMFILE || err == ENFILE)
		remedy(i, "raise the limit of open files (ulimit -n)");
	else if (c->kvm_fd >= 0)
		remedy(i, "pass a descriptor of " NODE);
	else
		remedy(i, "load kvm_intel or kvm_amd (modprobe), and switch virtualization on in the firmware; in a VM, nested virtualization on its host");
	return -1;
}

/* --- the tiny guest --- */

enum outcome { RUNNING, DONE, EXCEPTION, SHUTDOWN, INTERNAL };

struct trial {
	pthread_mutex_t lock;
	pthread_cond_t ended;
	enum outcome outcome;
};

static void end(struct trial *t, enum outcome o)
{
	pthread_mutex_lock(&t->lock);
	if (t->outcome == RUNNING)
		t->outcome = o;
	pthread_cond_signal(&t->ended);
	pthread_mutex_unlock(&t->lock);
}

static void port_read(void *dev, u64 off, unsigned size, u64 *val)
{
	*val = 0;
}

static void port_write(void *dev, u64 off, unsigned size, u64 val)
{
	end(dev, off ? EXCEPTION : DONE);
}

static const struct region_ops port_ops = { port_read, port_write };

static void stopped(void *arg, unsigned index, enum vcpu_stop why)
{
	end(arg, why == VCPU_STOP_INTERNAL ? INTERNAL : SHUTDOWN);
}

static enum outcome wait_end(struct trial *t)
{
	struct timespec until;
	enum outcome o;
	int rc = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += CHECK_GUEST_MS / 1000;
	pthread_mutex_lock(&t->lock);
	while (t->outcome == RUNNING && rc != ETIMEDOUT)
		rc = pthread_cond_timedwait(&t->ended, &t->lock, &until);
	o = t->outcome;
	pthread_mutex_unlock(&t->lock);
	return o;
}

/* Runs it on one vCPU. 0 and *o, or -errno or an exit status if it could not be started. */
static int run_vcpu(struct vcpu_env *env, struct trial *t, const struct boot_entry *entry, enum outcome *o)
{
	struct vcpus *v;
	int rc = vcpus_create(env, 1, &v);

	if (rc)
		return rc;
	rc = vcpus_reset(v, entry);
	if (!rc)
		rc = vcpus_start(v);
	if (!rc)
		*o = wait_end(t);
	vcpus_destroy(v);
	return rc;
}

static int run_guest(struct kvm *k, const struct mem *m, enum outcome *o)
{
	static const u32 apic_id;
	struct trial t = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, RUNNING };
	const struct region port = { CHECK_GUEST_PORT, 2, &port_ops, &t, "check" };
	struct boot_entry entry;
	struct bus mmio, pio;
	struct vcpu_env env = { .kvm = k, .mmio = &mmio, .pio = &pio, .stopped = stopped, .arg = &t, .apic_ids = &apic_id, .trial = true };
	int rc = check_guest_load(m, &entry);

	if (rc)
		return rc;
	rc = bus_init(&mmio, "mmio");
	if (rc)
		return rc;
	rc = bus_init(&pio, "pio");
	if (rc)
		goto fini_mmio;
	rc = bus_add(&pio, &port);
	if (!rc)
		rc = run_vcpu(&env, &t, &entry, o);
	bus_fini(&pio);
fini_mmio:
	bus_fini(&mmio);
	return rc;
}

static void judge(struct results *r, const struct mem *m, enum outcome o)
{
	const char *step = check_guest_step(m);
	struct item *i;

	if (o == DONE) {
		add(r, "stock-kernels", true, "a test guest ran to its end");
		return;
	}
	if (o == INTERNAL)
		i = add(r, "stock-kernels", false, "cannot run stock kernels: KVM gave up at %s", step);
	else if (o == EXCEPTION)
		i = add(r, "stock-kernels", false, "cannot run stock kernels: an exception, or a wrong result, at %s", step);
	else if (o == SHUTDOWN)
		i = add(r, "stock-kernels", false, "cannot run stock kernels: the test guest died at %s", step);
	else
		i = add(r, "stock-kernels", false, "cannot run stock kernels: no end after %d s at %s", CHECK_GUEST_MS / 1000, step);
	remedy(i, "this KVM emulates the CPU incompletely: use a host with hardware virtualization (VT-x, AMD-V) passed through");
}

static void check_guest(struct results *r, struct kvm *k)
{
	const struct mem_range range = { 0, CHECK_GUEST_RAM };
	enum outcome o = RUNNING;
	struct mem *m;
	int rc = mem_create(&range, 1, false, &m);

	if (rc) {
		remedy(add(r, "stock-kernels", false, "no memory for a test guest: %s", strerror(-rc)), "free some memory");
		kvm_destroy(k);
		return;
	}
	rc = kvm_add_ram(k, m);
	if (!rc)
		rc = run_guest(k, m, &o);
	if (rc)
		remedy(add(r, "stock-kernels", false, "the test guest could not be started: %s", rc < 0 ? strerror(-rc) : "see the message on stderr"),
		       "see the host's kernel log");
	else
		judge(r, m, o);
	/* KVM lets go of the RAM when the VM ends: before it is unmapped. */
	kvm_destroy(k);
	mem_destroy(m);
}

static void check_kvm(const struct vm_config *c, struct results *r)
{
	struct kvm k;
	int fd = open_kvm(c, r);

	if (fd < 0)
		return;
	if (kvm_create(&k, c->kvm_fd >= 0 ? "--kvm" : NODE, fd)) {
		remedy(add(r, "vm", false, "no VM can be created"), "the message on stderr says why");
		return;
	}
	add(r, "vm", true, "KVM has what nidus needs, guest addresses have %u bits", k.phys_bits);
	check_guest(r, &k);
}

static void add_vfio(void *arg, const struct check_finding *f)
{
	struct item *i = add(arg, f->what, f->ok, "%s", f->detail);

	i->answer = f->answer;
	snprintf(i->bdf, sizeof(i->bdf), "%s", f->bdf ? f->bdf : "");
	remedy(i, f->remedy);
}

/* --- output --- */

static void print_lines(const struct results *r, FILE *f)
{
	for (unsigned i = 0; i < r->n; i++) {
		const struct item *it = &r->item[i];

		fprintf(f, "%-5s %-14s %s%s%s\n", it->ok ? "ok" : "FAIL", it->what, it->detail, *it->remedy ? "; " : "", it->remedy);
	}
}

/* json_object_set_new() takes NULL values and then fails: lack of memory leaves a member out. */
static void put(json_t *o, const char *key, json_t *v)
{
	if (json_object_set_new(o, key, v))
		return;
}

static void print_json(const struct results *r, bool ok, FILE *f)
{
	json_t *o = json_object(), *list = json_array();

	for (unsigned i = 0; i < r->n; i++) {
		const struct item *it = &r->item[i];
		json_t *j = json_object();

		put(j, "what", json_string(it->what));
		if (*it->bdf)
			put(j, "bdf", json_string(it->bdf));
		put(j, "ok", json_boolean(it->ok));
		if (it->answer != UNSET)
			put(j, "answer", json_boolean(it->answer == ON));
		put(j, "detail", json_string(it->detail));
		put(j, "remedy", json_string(it->remedy));
		json_array_append_new(list, j);
	}
	put(o, "version", json_integer(1));
	put(o, "ok", json_boolean(ok));
	put(o, "checks", list);
	if (o)
		json_dumpf(o, f, JSON_INDENT(2));
	fputc('\n', f);
	json_decref(o);
}

int check_main(const struct vm_config *c, FILE *f)
{
	struct results r = { .n = 0 };
	bool ok = true;

	check_kvm(c, &r);
	check_vfio(c, HOST_SYS, add_vfio, &r);
	for (unsigned i = 0; i < r.n; i++)
		ok &= r.item[i].ok;
	if (c->json)
		print_json(&r, ok, f);
	else
		print_lines(&r, f);
	fflush(f);
	return ok ? EXIT_OK : c->skip ? EXIT_SKIP : EXIT_HOST;
}
