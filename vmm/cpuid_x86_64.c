/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "vmm/cpuid_x86_64.h"

/* Leaf 1 (SDM volume 2A, table 3-8) */
#define L1_EBX_LOGICAL GENMASK(23, 16)
#define L1_EBX_APIC_ID GENMASK(31, 24)
#define L1_ECX_MONITOR BIT(3)
#define L1_ECX_X2APIC BIT(21)
#define L1_ECX_TSC_DEADLINE BIT(24)
#define L1_ECX_OSXSAVE BIT(27)
#define L1_ECX_HYPERVISOR BIT(31)
#define L1_EDX_HTT BIT(28)

/* Leaves 4 and 0x8000001d: caches */
#define CACHE_EAX_TYPE GENMASK(4, 0)
#define CACHE_EAX_LEVEL GENMASK(7, 5)
#define CACHE_EAX_SHARING GENMASK(25, 14)
#define CACHE_EAX_CORES GENMASK(31, 26) /* Intel only */

/* Leaves 0xb and 0x1f: topology */
#define TOPO_ECX_TYPE GENMASK(15, 8)
#define TOPO_SMT 1
#define TOPO_CORE 2

/* Leaf 0x80000001 and 0x80000008, AMD */
#define X1_ECX_CMP_LEGACY BIT(1)
#define X8_EAX_PHYS GENMASK(7, 0)
#define X8_EAX_GUEST_PHYS GENMASK(23, 16)
#define X8_ECX_CORES GENMASK(7, 0)
#define X8_ECX_ID_BITS GENMASK(15, 12)

#define KVM_LEAF_BASE 0x40000000U
#define KVM_LEAF_FREQ 0x40000010U
/* KVM's local APIC timer counts nanoseconds. */
#define APIC_BUS_KHZ 1000000U

struct leaves {
	struct kvm_cpuid_entry2 *e;
	unsigned n, max;
};

struct kvm_cpuid_entry2 *cpuid_find(struct kvm_cpuid_entry2 *e, unsigned n, u32 function, u32 index)
{
	for (unsigned i = 0; i < n; i++) {
		if (e[i].function == function && (!(e[i].flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) || e[i].index == index))
			return &e[i];
	}
	return NULL;
}

unsigned cpuid_phys_bits(struct kvm_cpuid_entry2 *e, unsigned n)
{
	const struct kvm_cpuid_entry2 *x = cpuid_find(e, n, 0x80000008, 0);
	unsigned phys, guest;

	if (!x)
		return 36;
	phys = FIELD_GET(X8_EAX_PHYS, x->eax);
	/* What KVM's second stage can map, if it is less. */
	guest = FIELD_GET(X8_EAX_GUEST_PHYS, x->eax);
	if (guest && guest < phys)
		phys = guest;
	return phys ? phys : 36;
}

static u32 max_leaf(const struct leaves *l, u32 base)
{
	const struct kvm_cpuid_entry2 *x = cpuid_find(l->e, l->n, base, 0);

	return x ? x->eax : 0;
}

static bool vendor_is_amd(const struct leaves *l)
{
	const struct kvm_cpuid_entry2 *x = cpuid_find(l->e, l->n, 0, 0);

	/* "Auth" of AuthenticAMD, "Hygo" of HygonGenuine */
	return x && (x->ebx == 0x68747541 || x->ebx == 0x6f677948);
}

static void drop(struct leaves *l, u32 function)
{
	unsigned out = 0;

	for (unsigned i = 0; i < l->n; i++) {
		if (l->e[i].function != function)
			l->e[out++] = l->e[i];
	}
	l->n = out;
}

static int add(struct leaves *l, const struct kvm_cpuid_entry2 *x)
{
	if (l->n == l->max)
		return -E2BIG;
	l->e[l->n++] = *x;
	return 0;
}

/* Bits that number n things: 0 for one. */
static unsigned id_bits(unsigned n)
{
	unsigned b = 0;

	while ((1U << b) < n)
		b++;
	return b;
}

static void put_field(u32 *reg, u64 mask, u32 v)
{
	*reg = (u32)((*reg & ~mask) | FIELD_PREP(mask, v));
}

static void put_bit(u32 *reg, u64 bit, bool on)
{
	*reg = (u32)(on ? *reg | bit : *reg & ~bit);
}

static void fix_features(struct leaves *l, const struct cpuid_vcpu *v)
{
	struct kvm_cpuid_entry2 *x = cpuid_find(l->e, l->n, 1, 0);

	if (!x)
		return;
	put_field(&x->ebx, L1_EBX_APIC_ID, v->apic_id);
	put_field(&x->ebx, L1_EBX_LOGICAL, 1U << id_bits(v->cpus));
	put_bit(&x->ecx, L1_ECX_HYPERVISOR, true);
	put_bit(&x->ecx, L1_ECX_X2APIC, true);
	put_bit(&x->ecx, L1_ECX_TSC_DEADLINE, v->tsc_deadline);
	/* A guest must not stop its host CPU; OSXSAVE follows the guest's CR4. */
	put_bit(&x->ecx, L1_ECX_MONITOR | L1_ECX_OSXSAVE, false);
	put_bit(&x->edx, L1_EDX_HTT, v->cpus > 1);
	drop(l, 5);
}

/* The last level is shared by all cores, the others are each core's own. */
static void fix_caches(struct leaves *l, u32 function, const struct cpuid_vcpu *v)
{
	u32 ids = 1U << id_bits(v->cpus);

	for (unsigned i = 0; i < l->n; i++) {
		struct kvm_cpuid_entry2 *x = &l->e[i];

		if (x->function != function || !FIELD_GET(CACHE_EAX_TYPE, x->eax))
			continue;
		put_field(&x->eax, CACHE_EAX_SHARING, FIELD_GET(CACHE_EAX_LEVEL, x->eax) >= 3 ? ids - 1 : 0);
		if (function == 4)
			put_field(&x->eax, CACHE_EAX_CORES, ids - 1);
	}
}

static int put_topology(struct leaves *l, u32 function, const struct cpuid_vcpu *v)
{
	const struct kvm_cpuid_entry2 level[] = {
		{ .index = 0, .eax = 0, .ebx = 1, .ecx = (u32)FIELD_PREP(TOPO_ECX_TYPE, TOPO_SMT) },
		{ .index = 1, .eax = id_bits(v->cpus), .ebx = v->cpus, .ecx = (u32)FIELD_PREP(TOPO_ECX_TYPE, TOPO_CORE) | 1 },
		{ .index = 2, .ecx = 2 },
	};

	drop(l, function);
	for (unsigned i = 0; i < ARRAY_SIZE(level); i++) {
		struct kvm_cpuid_entry2 x = level[i];
		int err;

		x.function = function;
		x.flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
		x.edx = v->apic_id;
		err = add(l, &x);
		if (err)
			return err;
	}
	return 0;
}

static int fix_topology(struct leaves *l, const struct cpuid_vcpu *v)
{
	struct kvm_cpuid_entry2 *x = cpuid_find(l->e, l->n, 0, 0);
	int err;

	/* x2APIC ids are told by leaf 0xb alone. */
	if (x && x->eax < 0xb)
		x->eax = 0xb;
	err = put_topology(l, 0xb, v);
	if (err)
		return err;
	/* The leaf for modules and dies is only there where the host has it. */
	if (max_leaf(l, 0) >= 0x1f)
		return put_topology(l, 0x1f, v);
	drop(l, 0x1f);
	return 0;
}

static void fix_extended(struct leaves *l, const struct cpuid_vcpu *v)
{
	bool amd = vendor_is_amd(l);
	struct kvm_cpuid_entry2 *x;

	x = cpuid_find(l->e, l->n, 0x80000001, 0);
	if (x)
		put_bit(&x->ecx, X1_ECX_CMP_LEGACY, amd && v->cpus > 1);
	x = cpuid_find(l->e, l->n, 0x80000008, 0);
	if (x) {
		put_field(&x->ecx, X8_ECX_CORES, amd ? v->cpus - 1 : 0);
		put_field(&x->ecx, X8_ECX_ID_BITS, amd ? id_bits(v->cpus) : 0);
	}
	/* Extended APIC id, core id with one thread, one node. */
	x = cpuid_find(l->e, l->n, 0x8000001e, 0);
	if (x) {
		x->eax = amd ? v->apic_id : 0;
		x->ebx = amd ? v->apic_id : 0;
		x->ecx = 0;
		x->edx = 0;
	}
	/* The host's levels of complexes and dies; leaf 0xb says it all. */
	drop(l, 0x80000026);
}

/*
 * The fraction p/q nearest to num/den among those with p <= max: the convergents of its continued fraction. den > 0.
 * A guest multiplies p by the crystal's kHz in 32 bits (Linux native_calibrate_tsc()).
 */
static void fraction(u32 num, u32 den, u32 max, u32 *p, u32 *q)
{
	u32 p0 = 0, q0 = 1, p1 = 1, q1 = 0;

	while (den) {
		u64 a = num / den, p2 = a * p1 + p0, q2 = a * q1 + q0;
		u32 rest = num % den;

		if (p2 > max || q2 > UINT32_MAX)
			break;
		p0 = p1;
		q0 = q1;
		p1 = (u32)p2;
		q1 = (u32)q2;
		num = den;
		den = rest;
	}
	*p = p1;
	*q = q1;
}

/* There is no PIT and no HPET to measure the TSC and the APIC timer by: the frequencies are told. */
static int fix_frequencies(struct leaves *l, const struct cpuid_vcpu *v)
{
	struct kvm_cpuid_entry2 leaf = { .function = KVM_LEAF_FREQ, .eax = v->tsc_khz, .ebx = APIC_BUS_KHZ };
	struct kvm_cpuid_entry2 *x;

	drop(l, 0x15);
	drop(l, 0x16);
	if (!v->tsc_khz)
		return 0;
	if (max_leaf(l, 0) >= 0x15) {
		struct kvm_cpuid_entry2 tsc = { .function = 0x15, .ecx = APIC_BUS_KHZ * 1000 };
		int err;

		/* TSC = ecx * ebx / eax; the crystal is what drives the APIC timer (SDM volume 3, 18.7.3). */
		fraction(v->tsc_khz, APIC_BUS_KHZ, UINT32_MAX / APIC_BUS_KHZ, &tsc.ebx, &tsc.eax);
		err = tsc.eax && tsc.ebx ? add(l, &tsc) : 0;
		if (err)
			return err;
	}
	x = cpuid_find(l->e, l->n, KVM_LEAF_BASE, 0);
	if (!x)
		return 0;
	x->eax = MAX(x->eax, KVM_LEAF_FREQ);
	drop(l, KVM_LEAF_FREQ);
	return add(l, &leaf);
}

int cpuid_fixup(struct kvm_cpuid_entry2 *e, unsigned *n, unsigned max, const struct cpuid_vcpu *v)
{
	struct leaves l = { .e = e, .n = *n, .max = max };
	int err;

	fix_features(&l, v);
	fix_caches(&l, 4, v);
	fix_caches(&l, 0x8000001d, v);
	fix_extended(&l, v);
	err = fix_topology(&l, v);
	if (!err)
		err = fix_frequencies(&l, v);
	*n = l.n;
	return err;
}
