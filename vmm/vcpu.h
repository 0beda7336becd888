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
	VCPU_STOP_INTERNAL,  /* KVM internal error or an unknown exit; a log_error line was written */
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
};

struct vcpus;

/* Creates n vCPUs (not yet running) in architectural reset state. 0 or an exit status after log_error. */
int vcpus_create(const struct vcpu_env *env, unsigned n, struct vcpus **out) __must_check;
/* Stops and joins all threads. */
void vcpus_destroy(struct vcpus *v);

/* (Re)sets every vCPU: the boot vCPU to entry, the others to wait for start-up. Paused or not yet started. */
int vcpus_reset(struct vcpus *v, const struct boot_entry *entry) __must_check;
/* Starts the threads (once), all blocked signals as the caller's. */
int vcpus_start(struct vcpus *v) __must_check;
/* Returns when no vCPU is inside KVM_RUN or a device callback. Not from a vCPU thread; the caller must hold no device lock. */
void vcpus_pause(struct vcpus *v);
void vcpus_resume(struct vcpus *v);

/* Exits to user space so far, all vCPUs (for benchmarks and the report). */
u64 vcpus_exits(const struct vcpus *v);

/* --- arch_x86_64.c, used by vcpu.c --- */
/* VM-wide set-up before the first vCPU: irqchip split, TSS, x2APIC API. */
int arch_vm_init(struct kvm *k) __must_check;
/* CPUID and MSRs of one vCPU. */
int arch_vcpu_init(struct kvm *k, int vcpu_fd, unsigned index, unsigned n, u32 apic_id) __must_check;
/* Registers at reset; entry NULL: an AP. */
int arch_vcpu_reset(struct kvm *k, int vcpu_fd, unsigned index, const struct boot_entry *entry) __must_check;

#endif
