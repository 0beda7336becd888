/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread per vCPU.
 *
 * Stopping one without a race: (1) the stopper sets immediate_exit in the run area, then sends the kick signal, which the thread never
 * blocks and whose handler does nothing. A thread inside the guest leaves it because of the signal; one that is about to enter
 * finds immediate_exit set, in whichever order the two happen. (2) The thread counts as idle only when KVM_RUN has returned
 * EINTR: KVM completes the register side of the last I/O exit before it looks at immediate_exit, so an idle vCPU's
 * state is whole. (3) immediate_exit is cleared by the thread itself, under the lock, when it is allowed to go on.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "devices/ioapic.h"
#include "vmm/config.h"
#include "vmm/host_error.h"
#include "vmm/log.h"
#include "vmm/mem_fail.h"
#include "vmm/vcpu.h"

#define SIG_KICK SIGRTMIN

/* KVM_EXIT_MEMORY_FAULT, newer than the distribution's header: flags, guest address and size, in 64 bits each. */
#define MEMORY_FAULT 39
_Static_assert(offsetof(struct kvm_run, internal.data[0]) == offsetof(struct kvm_run, hw) + 8, "the address is the second word");

struct vcpu {
	struct vcpus *set;
	unsigned index;
	int fd;
	struct kvm_run *run;
	struct arch_vcpu *arch;
	pthread_t thread;
	_Atomic u64 exits;
	/* under set->lock */
	bool started;
	bool idle;    /* not inside KVM_RUN nor a device, and will not be until resumed */
	bool parked;  /* cannot go on until reset */
	bool has_run;
};

struct vcpus {
	struct vcpu_env env;
	unsigned n;
	pthread_mutex_t lock;
	pthread_cond_t went_idle, go_on;
	bool paused, quit;
	struct vcpu v[];
};

/* --- exits --- */

static void exit_io(const struct vcpu_env *env, struct kvm_run *run)
{
	u8 *p = (u8 *)run + run->io.data_offset;
	unsigned size = run->io.size;
	u64 val;

	/* A string instruction's elements all go to the same port. */
	for (u32 i = 0; i < run->io.count; i++, p += size) {
		if (run->io.direction == KVM_EXIT_IO_OUT) {
			bus_write(env->pio, run->io.port, size, get_le(p, size));
		} else {
			bus_read(env->pio, run->io.port, size, &val);
			put_le(p, size, val);
		}
	}
}

static void exit_mmio(const struct vcpu_env *env, struct kvm_run *run)
{
	unsigned size = MIN(run->mmio.len, (u32)sizeof(run->mmio.data));
	u64 val;

	if (run->mmio.is_write) {
		bus_write(env->mmio, run->mmio.phys_addr, size, get_le(run->mmio.data, size));
	} else {
		bus_read(env->mmio, run->mmio.phys_addr, size, &val);
		put_le(run->mmio.data, size, val);
	}
}

static const char *suberror_name(u32 e)
{
	switch (e) {
	case KVM_INTERNAL_ERROR_EMULATION:
		return "an instruction that KVM cannot emulate";
	case KVM_INTERNAL_ERROR_SIMUL_EX:
		return "exception during an exception";
	case KVM_INTERNAL_ERROR_DELIVERY_EV:
		return "exit during event delivery";
	default:
		return "unexpected exit";
	}
}

/*
 * What KVM tells beside the number: ", bytes f3 0f 1e fa" of an instruction, or ", data 0x7ff8 0x400", which are on an exit
 * during event delivery the exit's details, the exit code, more details, the address and the host's CPU.
 */
static const char *internal_text(const struct kvm_run *run, char *buf, size_t len)
{
	bool insn = run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION && run->emulation_failure.ndata >= 3 &&
		    run->emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
	size_t n = insn ? MIN(run->emulation_failure.insn_size, ARRAY_SIZE(run->emulation_failure.insn_bytes)) :
			  MIN(run->internal.ndata, ARRAY_SIZE(run->internal.data));
	size_t at = 0;

	buf[0] = 0;
	if (n)
		at = (size_t)snprintf(buf, len, insn ? ", bytes" : ", data");
	for (size_t i = 0; i < n && at < len; i++) {
		if (insn)
			at += (size_t)snprintf(buf + at, len - at, " %02x", run->emulation_failure.insn_bytes[i]);
		else
			at += (size_t)snprintf(buf + at, len - at, " 0x%llx", (unsigned long long)run->internal.data[i]);
	}
	return buf;
}

static enum log_level level_of_end(const struct vcpu_env *env)
{
	return env->trial ? LOG_INFO : LOG_ERROR;
}

static void log_internal(const struct vcpu_env *env, unsigned index, int fd, const struct kvm_run *run)
{
	enum log_level level = level_of_end(env);
	unsigned long long pc = arch_vcpu_pc(fd);
	char text[sizeof(", data") + ARRAY_SIZE(run->internal.data) * sizeof(" 0x0123456789abcdef")];

	switch (run->exit_reason) {
	case KVM_EXIT_INTERNAL_ERROR:
		log_line(level, "KVM internal error, suberror %u (%s) at 0x%llx on vCPU %u%s: this host cannot run this guest code",
			 run->internal.suberror, suberror_name(run->internal.suberror), pc, index, internal_text(run, text, sizeof(text)));
		break;
	case KVM_EXIT_FAIL_ENTRY:
		log_line(level, "the CPU refuses the guest's state, reason 0x%llx at 0x%llx on vCPU %u: see the host's kernel log",
			 (unsigned long long)run->fail_entry.hardware_entry_failure_reason, pc, index);
		break;
	default:
		log_line(level, "unknown KVM exit %u at 0x%llx on vCPU %u", run->exit_reason, pc, index);
	}
}

bool vcpu_handle_exit(const struct vcpu_env *env, unsigned index, int fd, struct kvm_run *run, enum vcpu_stop *why)
{
	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		exit_io(env, run);
		return true;
	case KVM_EXIT_MMIO:
		exit_mmio(env, run);
		return true;
	case KVM_EXIT_IOAPIC_EOI:
		if (env->ioapic)
			ioapic_eoi(env->ioapic, run->eoi.vector);
		return true;
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
		return true;
	case KVM_EXIT_SHUTDOWN:
		*why = VCPU_STOP_SHUTDOWN;
		return false;
	case KVM_EXIT_SYSTEM_EVENT:
		*why = run->system_event.type == KVM_SYSTEM_EVENT_RESET ? VCPU_STOP_RESET : VCPU_STOP_SHUTDOWN;
		return false;
	default:
		log_internal(env, index, fd, run);
		*why = VCPU_STOP_INTERNAL;
		return false;
	}
}

/* --- threads --- */

static int enter(const struct vcpu *v)
{
	int rc;

	mem_fail_in_guest(true);
	rc = ioctl(v->fd, KVM_RUN, 0) < 0 ? -errno : 0;
	mem_fail_in_guest(false);
	return rc;
}

/* Where Linux (6.8) says for which page of the guest's the host has none, and why: out of memory, of huge pages, a failed one. */
static void log_cannot_run(const struct vcpu *v, int err)
{
	char page[64] = "";

	if (v->run->exit_reason == MEMORY_FAULT)
		snprintf(page, sizeof(page), ", the host cannot give guest address 0x%llx", (unsigned long long)v->run->internal.data[0]);
	log_line(level_of_end(&v->set->env), "vCPU %u cannot run: %s, at 0x%llx%s", v->index, strerror(-err), (unsigned long long)arch_vcpu_pc(v->fd), page);
}

/* Runs the guest until it is kicked (true) or cannot go on (false). */
static bool run_guest(struct vcpu *v, enum vcpu_stop *why)
{
	for (;;) {
		int err = enter(v);

		if (err) {
			if (err == -EINTR)
				return true;
			/* A vCPU that was waiting for start-up was woken. */
			if (err == -EAGAIN)
				continue;
			log_cannot_run(v, err);
			*why = VCPU_STOP_INTERNAL;
			return false;
		}
		atomic_fetch_add_explicit(&v->exits, 1, memory_order_relaxed);
		if (!vcpu_handle_exit(&v->set->env, v->index, v->fd, v->run, why))
			return false;
	}
}

/* Waits until v may run; false: the thread is to end. */
static bool wait_for_go(struct vcpu *v)
{
	struct vcpus *s = v->set;
	bool go;

	pthread_mutex_lock(&s->lock);
	while (!s->quit && (s->paused || v->parked)) {
		v->idle = true;
		pthread_cond_broadcast(&s->went_idle);
		pthread_cond_wait(&s->go_on, &s->lock);
	}
	go = !s->quit;
	if (go) {
		if (v->idle && v->has_run)
			arch_vcpu_was_paused(v->fd);
		v->run->immediate_exit = 0;
		v->has_run = true;
	}
	v->idle = !go;
	pthread_mutex_unlock(&s->lock);
	return go;
}

static void park(struct vcpu *v)
{
	pthread_mutex_lock(&v->set->lock);
	v->parked = true;
	pthread_mutex_unlock(&v->set->lock);
}

static void *thread_main(void *arg)
{
	struct vcpu *v = arg;
	enum vcpu_stop why;
	char name[16];

	snprintf(name, sizeof(name), "vcpu%u", v->index);
	(void)pthread_setname_np(pthread_self(), name);
	while (wait_for_go(v)) {
		if (run_guest(v, &why))
			continue;
		/* Parked before it is told: whoever is told may reset at once. */
		park(v);
		v->set->env.stopped(v->set->env.arg, v->index, why);
	}
	return NULL;
}

/* Lock held. */
static void kick(struct vcpu *v)
{
	v->run->immediate_exit = 1;
	if (v->started && !v->idle)
		pthread_kill(v->thread, SIG_KICK);
}

void vcpus_pause(struct vcpus *s)
{
	pthread_mutex_lock(&s->lock);
	s->paused = true;
	for (unsigned i = 0; i < s->n; i++)
		kick(&s->v[i]);
	for (unsigned i = 0; i < s->n; i++) {
		while (s->v[i].started && !s->v[i].idle)
			pthread_cond_wait(&s->went_idle, &s->lock);
	}
	pthread_mutex_unlock(&s->lock);
}

void vcpus_resume(struct vcpus *s)
{
	pthread_mutex_lock(&s->lock);
	s->paused = false;
	pthread_cond_broadcast(&s->go_on);
	pthread_mutex_unlock(&s->lock);
}

static void on_kick(int sig)
{
}

/* Everything is blocked in a vCPU thread but the kick and what the kernel sends for a fault of the thread itself. */
static void vcpu_sigmask(sigset_t *set)
{
	static const int open[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, SIGABRT };

	sigfillset(set);
	for (unsigned i = 0; i < ARRAY_SIZE(open); i++)
		sigdelset(set, open[i]);
	sigdelset(set, SIG_KICK);
}

int vcpus_start(struct vcpus *s)
{
	struct sigaction sa = { .sa_handler = on_kick };
	sigset_t set, old;
	int err = 0;

	/* No SA_RESTART: KVM_RUN must return. */
	sigemptyset(&sa.sa_mask);
	if (sigaction(SIG_KICK, &sa, NULL) < 0)
		return -errno;
	vcpu_sigmask(&set);
	pthread_sigmask(SIG_SETMASK, &set, &old);
	pthread_mutex_lock(&s->lock);
	for (unsigned i = 0; i < s->n && !err; i++) {
		err = pthread_create(&s->v[i].thread, NULL, thread_main, &s->v[i]);
		s->v[i].started = !err;
	}
	pthread_mutex_unlock(&s->lock);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -err;
}

/* --- life --- */

static int vcpu_create(struct vcpus *s, unsigned index)
{
	const struct vcpu_env *env = &s->env;
	struct vcpu *v = &s->v[index];
	int fd = kvm_ioctl_val(env->kvm->vm_fd, KVM_CREATE_VCPU, env->apic_ids[index]);
	int r;

	if (fd < 0) {
		log_error("KVM cannot create vCPU %u: %s", index, host_error_text(fd));
		return EXIT_HOST;
	}
	v->fd = fd;
	v->run = mmap(NULL, (size_t)env->kvm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (v->run == MAP_FAILED) {
		log_error("no memory for vCPU %u: %s", index, strerror(errno));
		v->run = NULL;
		return EXIT_HOST;
	}
	r = arch_vcpu_init(env->kvm, fd, s->n, env->apic_ids[index], &v->arch);
	if (r < 0) {
		log_error("KVM refuses the set-up of vCPU %u: %s", index, strerror(-r));
		return EXIT_HOST;
	}
	return 0;
}

int vcpus_create(const struct vcpu_env *env, unsigned n, struct vcpus **out)
{
	int max = kvm_cap(env->kvm, KVM_CAP_MAX_VCPUS);
	struct vcpus *s;
	int r = 0;

	if ((int)n > max) {
		log_error("--cpus %u: this host's KVM allows at most %d", n, max);
		return EXIT_HOST;
	}
	s = calloc(1, sizeof(*s) + n * sizeof(s->v[0]));
	if (!s) {
		log_error("no memory for %u vCPUs", n);
		return EXIT_HOST;
	}
	s->env = *env;
	s->n = n;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->went_idle, NULL);
	pthread_cond_init(&s->go_on, NULL);
	for (unsigned i = 0; i < n; i++) {
		s->v[i].set = s;
		s->v[i].index = i;
		s->v[i].fd = -1;
	}
	for (unsigned i = 0; i < n && !r; i++)
		r = vcpu_create(s, i);
	if (r) {
		vcpus_destroy(s);
		return r;
	}
	*out = s;
	return 0;
}

void vcpus_destroy(struct vcpus *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->quit = true;
	for (unsigned i = 0; i < s->n; i++) {
		if (s->v[i].run)
			kick(&s->v[i]);
	}
	pthread_cond_broadcast(&s->go_on);
	pthread_mutex_unlock(&s->lock);
	for (unsigned i = 0; i < s->n; i++) {
		struct vcpu *v = &s->v[i];

		if (v->started)
			pthread_join(v->thread, NULL);
		arch_vcpu_fini(v->arch);
		if (v->run)
			munmap(v->run, (size_t)s->env.kvm->run_size);
		if (v->fd >= 0)
			close(v->fd);
	}
	pthread_cond_destroy(&s->go_on);
	pthread_cond_destroy(&s->went_idle);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

int vcpus_reset(struct vcpus *s, const struct boot_entry *entry)
{
	int r = 0;

	pthread_mutex_lock(&s->lock);
	for (unsigned i = 0; i < s->n && !r; i++) {
		struct vcpu *v = &s->v[i];

		r = arch_vcpu_reset(s->env.kvm, v->fd, v->arch, v->has_run, i == 0 ? entry : NULL);
		v->parked = false;
		v->has_run = false;
	}
	pthread_mutex_unlock(&s->lock);
	return r;
}

u64 vcpus_exits(const struct vcpus *s)
{
	u64 n = 0;

	for (unsigned i = 0; i < s->n; i++)
		n += atomic_load_explicit(&s->v[i].exits, memory_order_relaxed);
	return n;
}
