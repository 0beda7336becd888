/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vCPU threads: the KVM_RUN loop, pause and resume, reset.
 */
#ifndef NIDUS_VCPU_H
#define NIDUS_VCPU_H

#include <pthread.h>

#include "firmware/boot.h"
#include "vmm/bits.h"
#include "vmm/bus.h"
#include "vmm/kvm.h"

struct kvm_run;
struct ioapic;

enum vcpu_stop {
	VCPU_STOP_SHUTDOWN,  /* triple fault */
	VCPU_STOP_RESET,     /* KVM_EXIT_SYSTEM_EVENT / reset port */
	VCPU_STOP_INTERNAL,  /* KVM internal error or an unknown exit; a log_error line was written, unless it is a trial */
};

/* What all vCPUs of a VM share. Filled by vm.c before vcpus_create(). */
struct vcpu_env {
	struct kvm *kvm;
	struct bus *mmio, *pio;
	struct ioapic *ioapic;   /* x86: EOI exits; may be NULL */
	/* A vCPU cannot go on; called on its thread, which then parks. */
	void (*stopped)(void *arg, unsigned index, enum vcpu_stop why);
	void *arg;
	const u32 *apic_ids;
	bool trial; /* why a vCPU gave up is the caller's to tell: here at level info only */
};

struct vcpus;

/*
 * Creates n vCPUs (not yet running) in architectural reset state; vCPU i has KVM's id and APIC id apic_ids[i]. env is copied, what it
 * points to must outlive the vCPUs. 0 or an exit status after log_error.
 */
int vcpus_create(const struct vcpu_env *env, unsigned n, struct vcpus **out) __must_check;
/* Stops and joins all threads. NULL is allowed. */
void vcpus_destroy(struct vcpus *v);

/*
 * (Re)sets every vCPU: the boot vCPU to entry, the others to wait for start-up; parked ones run again at the next resume. Paused or
 * not yet started. 0 or -errno; the VM cannot go on then.
 */
int vcpus_reset(struct vcpus *v, const struct boot_entry *entry) __must_check;
/*
 * Starts the threads (once). All signals are blocked in them but the kick and those that report a fault. 0 or -errno: some may run then,
 * vcpus_destroy() ends them.
 */
int vcpus_start(struct vcpus *v) __must_check;
/*
 * Returns when no vCPU is inside KVM_RUN or a device callback, and every I/O access begun is complete (state can be saved or reset).
 * Idempotent; before vcpus_start() it makes the threads start paused. Not from a vCPU thread; the caller must hold no device lock.
 */
void vcpus_pause(struct vcpus *v);
/* Those that are not parked go on. Any thread. */
void vcpus_resume(struct vcpus *v);

/* Exits to user space so far, all vCPUs (for benchmarks and the report). */
u64 vcpus_exits(const struct vcpus *v);

/*
 * Carries out the exit that KVM described in run; fd is the vCPU's (for the registers that a message names), may be -1. True: go on;
 * false: *why says why not. Exported for its unit test.
 */
bool vcpu_handle_exit(const struct vcpu_env *env, unsigned index, int fd, struct kvm_run *run, enum vcpu_stop *why);

/* --- arch_x86_64.c, used by kvm.c, irq_kvm.c and vcpu.c only --- */

/* State of one vCPU as it was created, for arch_vcpu_reset(). */
struct arch_vcpu;

/* VM-wide set-up before the first vCPU: split irqchip, TSS, x2APIC API, phys_bits. 0, or EXIT_HOST after log_error. */
int arch_vm_init(struct kvm *k) __must_check;
void arch_vm_fini(struct kvm *k);
/* False for an address at which a message is not an interrupt: KVM would refuse a whole routing table for one such entry. */
bool arch_msi_addr_ok(u64 addr);
/* CPUID and MSRs of one of n vCPUs. 0 or -errno. */
int arch_vcpu_init(struct kvm *k, int vcpu_fd, unsigned n, u32 apic_id, struct arch_vcpu **out) __must_check;
void arch_vcpu_fini(struct arch_vcpu *a);
/* Back to the created state, if it has run since; then the registers of entry. entry NULL: an AP, waits for INIT and SIPI. 0 or -errno. */
int arch_vcpu_reset(struct kvm *k, int vcpu_fd, const struct arch_vcpu *a, bool has_run, const struct boot_entry *entry) __must_check;
/* Tells the guest's watchdogs that the time it missed was the host's doing. Between a pause and the next run. */
void arch_vcpu_was_paused(int vcpu_fd);
/* Address of the next instruction, for messages; 0 if it cannot be told. */
u64 arch_vcpu_pc(int vcpu_fd);

#endif
