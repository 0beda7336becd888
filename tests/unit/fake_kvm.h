/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host with KVM in which a whole VM can run: vCPU 0 carries out a script, the others wait. And any call to the host, or for memory, can be
 * made to fail, counted from the start of the VM. For a test with the line
 *
 *   wrap: ioctl open64 mmap64 munmap malloc calloc strdup asprintf eventfd epoll_create1 epoll_ctl timerfd_create signalfd pthread_create
 *
 * It replaces vmm/log.c: the last error stays in fake.said.
 */
#ifndef NIDUS_FAKE_KVM_H
#define NIDUS_FAKE_KVM_H

#include <fcntl.h>
#include <linux/kvm.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

#include "tests/unit/unit.h"
#include "vmm/log.h"
#include "vmm/memmap_x86_64.h"

#define FAKE_RUN_SIZE 12288
#define FAKE_CPUS 4

enum step_kind {
	STEP_SLEEP,    /* until it is kicked; the last step goes on for ever */
	STEP_OUT,      /* a byte to a port */
	STEP_STORE,    /* a byte to an address outside RAM */
	STEP_POKE,     /* 16 bits to RAM */
	STEP_EXPECT,   /* RAM has these 16 bits */
	STEP_SIGNAL,   /* somebody sends nidus this signal */
	STEP_BUTTON,   /* until the power button is pressed */
	STEP_SHUTDOWN, /* a triple fault */
	STEP_INTERNAL, /* KVM gives up */
	STEP_NO_PAGE,  /* the host has no page for this address, errno val */
	STEP_BAD_PAGE, /* the host's memory there has failed */
};

struct step {
	enum step_kind kind;
	u64 addr;
	u16 val;
};

struct fake_vcpu {
	int fd;
	struct kvm_run *run;
};

static struct {
	const struct step *step;
	_Atomic bool asked; /* STEP_BUTTON reads the port */
	u8 *ram;
	struct fake_vcpu vcpu[FAKE_CPUS];
	unsigned n_vcpus;
	_Atomic unsigned calls, fail_at; /* fail_at 0: nothing fails */
	_Atomic int maps;
	char said[512];
	_Atomic unsigned n_errors, missed; /* missed: STEP_EXPECT was not met */
} fake;

/* --- messages --- */

void log_line(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	if (level != LOG_ERROR)
		return;
	va_start(ap, fmt);
	vsnprintf(fake.said, sizeof(fake.said), fmt, ap);
	va_end(ap);
	fake.n_errors++;
}

void log_guest_line(struct log_bucket *b, const char *fmt, ...)
{
}

void log_set_level(enum log_level level)
{
}

enum log_level log_get_level(void)
{
	return LOG_ERROR;
}

int log_parse_level(const char *s, enum log_level *level)
{
	return -EINVAL;
}

/* --- the guest --- */

/* As KVM: not at all if that is wanted, else until a signal comes. */
static int fake_sleep(struct kvm_run *run)
{
	sigset_t all, open;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &open);
	while (!__atomic_load_n(&run->immediate_exit, __ATOMIC_SEQ_CST))
		ppoll(NULL, 0, NULL, &open);
	pthread_sigmask(SIG_SETMASK, &open, NULL);
	errno = EINTR;
	return -1;
}

static void fake_port(struct kvm_run *run, u8 direction, u16 port, u8 val)
{
	run->exit_reason = KVM_EXIT_IO;
	run->io.direction = direction;
	run->io.size = 1;
	run->io.port = port;
	run->io.count = 1;
	run->io.data_offset = 4096;
	((u8 *)run)[4096] = val;
}

static int fake_button(struct kvm_run *run)
{
	if (fake.asked && (((u8 *)run)[4096] & X86_GED_POWER_BUTTON)) {
		fake.asked = false;
		fake.step++;
		run->exit_reason = KVM_EXIT_INTR;
		return 0;
	}
	sched_yield();
	fake.asked = true;
	fake_port(run, KVM_EXIT_IO_IN, X86_GED_PORT, 0);
	return 0;
}

/* As the kernel tells it; it comes again as long as the guest goes on. */
static int fake_bad_page(struct kvm_run *run, const struct step *s)
{
	siginfo_t si;

	memset(&si, 0, sizeof(si));
	si.si_signo = SIGBUS;
	si.si_code = BUS_MCEERR_AR;
	si.si_addr = fake.ram + s->addr;
	si.si_addr_lsb = 12;
	fake.step = s;
	assert_int_equal(syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGBUS, &si), 0);
	errno = EINTR;
	return -1;
}

static int fake_step(struct kvm_run *run)
{
	const struct step *s = fake.step;

	if (s->kind == STEP_BUTTON)
		return fake_button(run);
	fake.step++;
	run->exit_reason = KVM_EXIT_INTR;
	switch (s->kind) {
	case STEP_OUT:
		fake_port(run, KVM_EXIT_IO_OUT, (u16)s->addr, (u8)s->val);
		break;
	case STEP_STORE:
		run->exit_reason = KVM_EXIT_MMIO;
		run->mmio.phys_addr = s->addr;
		run->mmio.len = 1;
		run->mmio.is_write = 1;
		run->mmio.data[0] = (u8)s->val;
		break;
	case STEP_POKE:
		put_le(fake.ram + s->addr, 2, s->val);
		break;
	case STEP_EXPECT:
		fake.missed += get_le(fake.ram + s->addr, 2) != s->val;
		break;
	case STEP_SIGNAL:
		kill(getpid(), s->val);
		break;
	case STEP_SHUTDOWN:
		run->exit_reason = KVM_EXIT_SHUTDOWN;
		break;
	case STEP_INTERNAL:
		run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
		run->internal.suberror = KVM_INTERNAL_ERROR_EMULATION;
		break;
	case STEP_NO_PAGE:
		run->exit_reason = 39;
		run->internal.data[0] = s->addr;
		errno = s->val;
		return -1;
	case STEP_BAD_PAGE:
		return fake_bad_page(run, s);
	default:
		/* The same sleep when it is woken for the end. */
		fake.step -= s[1].kind == STEP_SLEEP;
		return fake_sleep(run);
	}
	return 0;
}

static int fake_run(int fd)
{
	for (unsigned i = 0; i < fake.n_vcpus; i++) {
		struct kvm_run *run = fake.vcpu[i].run;

		if (fake.vcpu[i].fd != fd)
			continue;
		/* The kick that ends a sleep may come before the sleep. */
		if (i == 0 && (fake.step->kind == STEP_SLEEP || !__atomic_load_n(&run->immediate_exit, __ATOMIC_SEQ_CST)))
			return fake_step(run);
		return fake_sleep(run);
	}
	errno = EBADF;
	return -1;
}

/* --- calls --- */

/* True if this call is the one to fail, with that errno. */
static bool fake_fails(int err)
{
	if (++fake.calls != fake.fail_at)
		return false;
	errno = err;
	return true;
}

void *__real_mmap64(void *at, size_t len, int prot, int flags, int fd, off64_t off);
int __real_munmap(void *at, size_t len);
void *__real_malloc(size_t len);
void *__real_calloc(size_t n, size_t len);
char *__real_strdup(const char *s);
int __real_open64(const char *path, int flags, ...);
int __real_eventfd(unsigned count, int flags);
int __real_epoll_create1(int flags);
int __real_epoll_ctl(int fd, int op, int what, struct epoll_event *e);
int __real_timerfd_create(int clock, int flags);
int __real_signalfd(int fd, const sigset_t *set, int flags);
int __real_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *), void *arg);
int __real_ioctl(int fd, unsigned long req, ...);

static int fake_create_vcpu(void)
{
	int fd = memfd_create("vcpu", MFD_CLOEXEC);
	struct fake_vcpu *v = &fake.vcpu[fake.n_vcpus];

	if (fd < 0)
		return -1;
	assert_true(fake.n_vcpus < FAKE_CPUS);
	assert_int_equal(ftruncate(fd, FAKE_RUN_SIZE), 0);
	v->fd = fd;
	v->run = __real_mmap64(NULL, FAKE_RUN_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(v->run, MAP_FAILED);
	fake.n_vcpus++;
	return fd;
}

static int fake_set_region(const struct kvm_userspace_memory_region *r)
{
	if (r->guest_phys_addr == 0 && r->memory_size)
		fake.ram = (u8 *)(uintptr_t)r->userspace_addr;
	return 0;
}

int __wrap_ioctl(int fd, unsigned long req, ...)
{
	void *arg = IOCTL_ARG(req);

	if (req == KVM_RUN)
		return fake_run(fd);
	/* Only KVM's: those of a terminal or a block device are the host's. */
	if (_IOC_TYPE(req) != KVMIO)
		return __real_ioctl(fd, req, arg);
	if (fake_fails(ENOMEM))
		return -1;
	switch (req) {
	case KVM_GET_API_VERSION:
		return KVM_API_VERSION;
	case KVM_CREATE_VM:
		return memfd_create("vm", MFD_CLOEXEC);
	case KVM_CHECK_EXTENSION:
		return FAKE_CPUS;
	case KVM_GET_VCPU_MMAP_SIZE:
		return FAKE_RUN_SIZE;
	case KVM_CREATE_VCPU:
		return fake_create_vcpu();
	case KVM_SET_USER_MEMORY_REGION:
		return fake_set_region(arg);
	case KVM_GET_SUPPORTED_CPUID:
		((struct kvm_cpuid2 *)arg)->nent = 1;
		((struct kvm_cpuid2 *)arg)->entries[0] = (struct kvm_cpuid_entry2){ .function = 0x80000008, .eax = 0x27 };
		return 0;
	case KVM_GET_MSR_INDEX_LIST:
		((struct kvm_msr_list *)arg)->nmsrs = 1;
		((struct kvm_msr_list *)arg)->indices[0] = 0x10;
		return 0;
	case KVM_GET_MSRS:
	case KVM_SET_MSRS:
		return (int)((struct kvm_msrs *)arg)->nmsrs;
	case KVM_GET_SREGS:
		memset(arg, 0, sizeof(struct kvm_sregs));
		return 0;
	case KVM_GET_REGS:
		memset(arg, 0, sizeof(struct kvm_regs));
		return 0;
	default:
		return 0;
	}
}

int __wrap_open64(const char *path, int flags, ...)
{
	va_list ap;
	int mode;

	va_start(ap, flags);
	mode = flags & O_CREAT ? va_arg(ap, int) : 0;
	va_end(ap);
	if (fake_fails(EMFILE))
		return -1;
	return strcmp(path, "/dev/kvm") == 0 ? memfd_create("kvm", MFD_CLOEXEC) : __real_open64(path, flags, mode);
}

void *__wrap_mmap64(void *at, size_t len, int prot, int flags, int fd, off64_t off)
{
	void *p = fake_fails(ENOMEM) ? MAP_FAILED : __real_mmap64(at, len, prot, flags, fd, off);

	fake.maps += p != MAP_FAILED && !(flags & MAP_FIXED);
	return p;
}

int __wrap_munmap(void *at, size_t len)
{
	fake.maps--;
	return __real_munmap(at, len);
}

void *__wrap_malloc(size_t len)
{
	return fake_fails(ENOMEM) ? NULL : __real_malloc(len);
}

void *__wrap_calloc(size_t n, size_t len)
{
	return fake_fails(ENOMEM) ? NULL : __real_calloc(n, len);
}

char *__wrap_strdup(const char *s)
{
	return fake_fails(ENOMEM) ? NULL : __real_strdup(s);
}

int __wrap_asprintf(char **out, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (fake_fails(ENOMEM))
		return -1;
	va_start(ap, fmt);
	n = vasprintf(out, fmt, ap);
	va_end(ap);
	return n;
}

int __wrap_eventfd(unsigned count, int flags)
{
	return fake_fails(EMFILE) ? -1 : __real_eventfd(count, flags);
}

int __wrap_epoll_create1(int flags)
{
	return fake_fails(EMFILE) ? -1 : __real_epoll_create1(flags);
}

int __wrap_epoll_ctl(int fd, int op, int what, struct epoll_event *e)
{
	/* Taking something out cannot fail. */
	return op != EPOLL_CTL_DEL && fake_fails(ENOMEM) ? -1 : __real_epoll_ctl(fd, op, what, e);
}

int __wrap_timerfd_create(int clock, int flags)
{
	return fake_fails(EMFILE) ? -1 : __real_timerfd_create(clock, flags);
}

int __wrap_signalfd(int fd, const sigset_t *set, int flags)
{
	return fake_fails(EMFILE) ? -1 : __real_signalfd(fd, set, flags);
}

int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *), void *arg)
{
	return fake_fails(EAGAIN) ? EAGAIN : __real_pthread_create(t, a, fn, arg);
}

/* --- for the test --- */

static inline void fake_start(const struct step *script, unsigned fail_at)
{
	memset(&fake, 0, sizeof(fake));
	fake.step = script;
	fake.fail_at = fail_at;
}

/* The VM is gone: what only the fake still has of it goes too. */
static inline void fake_end(void)
{
	fake.fail_at = 0;
	for (unsigned i = 0; i < fake.n_vcpus; i++)
		__real_munmap(fake.vcpu[i].run, FAKE_RUN_SIZE);
	fake.n_vcpus = 0;
}

#endif
