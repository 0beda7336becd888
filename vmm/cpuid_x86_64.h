/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What CPUID tells the guest: what KVM supports, with the machine's topology written over it: one package of N cores with one
 * thread each, APIC ids 0 to N-1. Pure: an array of entries in, the same out.
 * Sources: Intel SDM volume 2A, CPUID; AMD64 APM volume 3, appendix E; Linux Documentation/virt/kvm/x86/cpuid.rst.
 */
#ifndef NIDUS_CPUID_X86_64_H
#define NIDUS_CPUID_X86_64_H

#include <linux/kvm.h>

#include "vmm/bits.h"

/* Entries an array must have room for; KVM reports about 100. */
#define CPUID_MAX 256

struct cpuid_vcpu {
	unsigned cpus;     /* 1 to 64 */
	u32 apic_id;       /* of this vCPU, less than cpus */
	u32 tsc_khz;       /* 0: unknown */
	bool tsc_deadline; /* KVM's local APIC has the timer mode */
};

/* Rewrites e[0..*n) for one vCPU. -E2BIG if it needs more than max entries (the array is then half rewritten). */
int cpuid_fixup(struct kvm_cpuid_entry2 *e, unsigned *n, unsigned max, const struct cpuid_vcpu *v) __must_check;

/* The entry, or NULL. index counts only for leaves that have subleaves. */
struct kvm_cpuid_entry2 *cpuid_find(struct kvm_cpuid_entry2 *e, unsigned n, u32 function, u32 index);

/* Physical address bits a guest can use, from leaf 0x80000008; 36 (the architecture's default) without it. */
unsigned cpuid_phys_bits(struct kvm_cpuid_entry2 *e, unsigned n);

#endif
