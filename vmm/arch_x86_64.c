/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KVM's x86 side: interrupt controller split (local APICs in the kernel, IOAPIC here), CPUID, MSRs, registers at start.
 *
 * Reset: a vCPU cannot be made anew, so its state is saved when it is created and put back. MSRs are written back only where they have
 * changed: of the hundred that KVM lists a guest uses a few, and writing the others wakes parts of KVM that the guest never asked for.
 */
#include <cpuid.h>
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>

#include "vmm/config.h"
#include "vmm/cpuid_x86_64.h"
#include "vmm/kvm.h"
#include "vmm/log.h"
#include "vmm/memmap_x86_64.h"
#include "vmm/vcpu.h"

#define MSR_TSC 0x10
#define MSR_MISC_ENABLE 0x1a0
#define MISC_ENABLE_FAST_STRING BIT(0)
#define MSR_MTRR_DEF_TYPE 0x2ff
#define MTRR_DEF_ENABLE BIT(11)
#define MTRR_TYPE_WB 6

#define CR0_PE BIT(0)
#define CR0_ET BIT(4)
#define CR0_NE BIT(5)
#define CR0_PG BIT(31)
#define CR4_PAE BIT(5)
#define EFER_LME BIT(8)
#define EFER_LMA BIT(10)
#define RFLAGS_FIXED BIT(1)

#define BOOT_CS 0x10
#define BOOT_DS 0x18
#define BOOT_GDT_LIMIT 0x2f /* six descriptors, as boot_put_gdt() writes them */

#define MSR_MAX 512

static const struct kvm_need needed[] = {
	{ KVM_CAP_SPLIT_IRQCHIP, "KVM_CAP_SPLIT_IRQCHIP", "local APICs" },
	{ KVM_CAP_X2APIC_API, "KVM_CAP_X2APIC_API", "local APICs" },
	{ KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID", "the CPU's features" },
	{ KVM_CAP_SET_TSS_ADDR, "KVM_CAP_SET_TSS_ADDR", "real mode" },
	{ KVM_CAP_SET_IDENTITY_MAP_ADDR, "KVM_CAP_SET_IDENTITY_MAP_ADDR", "real mode" },
	{ KVM_CAP_XSAVE, "KVM_CAP_XSAVE", "reset" },
	{ KVM_CAP_XCRS, "KVM_CAP_XCRS", "reset" },
	{ KVM_CAP_DEBUGREGS, "KVM_CAP_DEBUGREGS", "reset" },
};

/* What KVM told once for all vCPUs. */
struct arch_vm {
	struct kvm_cpuid2 *cpuid;
	struct kvm_msr_list *msr_list;
	bool tsc_deadline;
};

struct arch_vcpu {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_xcrs xcrs;
	struct kvm_debugregs debugregs;
	struct kvm_lapic_state lapic;
	struct kvm_vcpu_events events;
	struct kvm_mp_state mp_state;
	struct kvm_nested_state nested;
	bool has_nested;
	struct kvm_msrs *msrs;
	struct kvm_xsave xsave; /* last: newer headers end it in an open array */
};

/* KVM leaves the name out, which a guest shows to its users. */
static void fill_brand(struct kvm_cpuid2 *c)
{
	for (u32 leaf = 0x80000002; leaf <= 0x80000004; leaf++) {
		struct kvm_cpuid_entry2 *x = cpuid_find(c->entries, c->nent, leaf, 0);

		if (x && !(x->eax | x->ebx | x->ecx | x->edx))
			(void)__get_cpuid(leaf, &x->eax, &x->ebx, &x->ecx, &x->edx);
	}
}

static int read_cpuid(const struct kvm *k, struct arch_vm *a)
{
	int r;

	a->cpuid = calloc(1, sizeof(*a->cpuid) + CPUID_MAX * sizeof(a->cpuid->entries[0]));
	if (!a->cpuid)
		return -ENOMEM;
	a->cpuid->nent = CPUID_MAX;
	r = kvm_ioctl(k->fd, KVM_GET_SUPPORTED_CPUID, a->cpuid);
	if (!r)
		fill_brand(a->cpuid);
	return r;
}

static int read_msr_list(const struct kvm *k, struct arch_vm *a)
{
	a->msr_list = calloc(1, sizeof(*a->msr_list) + MSR_MAX * sizeof(a->msr_list->indices[0]));
	if (!a->msr_list)
		return -ENOMEM;
	a->msr_list->nmsrs = MSR_MAX;
	return kvm_ioctl(k->fd, KVM_GET_MSR_INDEX_LIST, a->msr_list);
}

static int enable_cap(struct kvm *k, u32 cap, u64 arg)
{
	struct kvm_enable_cap c = { .cap = cap, .args = { arg } };

	return kvm_ioctl(k->vm_fd, KVM_ENABLE_CAP, &c);
}

/* The real-mode helpers of older Intel CPUs live in a hole of the address map; then the irqchip, before any vCPU. */
static int set_up_vm(struct kvm *k)
{
	u64 identity = X86_IDENTITY_MAP_ADDR;
	int r;

	r = kvm_ioctl(k->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity);
	if (r)
		return r;
	r = kvm_ioctl_val(k->vm_fd, KVM_SET_TSS_ADDR, X86_TSS_ADDR);
	if (r)
		return r;
	r = enable_cap(k, KVM_CAP_SPLIT_IRQCHIP, X86_IOAPIC_PINS);
	if (r)
		return r;
	return enable_cap(k, KVM_CAP_X2APIC_API, KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK);
}

int arch_vm_init(struct kvm *k)
{
	struct arch_vm *a;
	int r;

	if (kvm_check_caps(k, needed, ARRAY_SIZE(needed)))
		return EXIT_HOST;
	a = calloc(1, sizeof(*a));
	k->arch = a;
	r = a ? set_up_vm(k) : -ENOMEM;
	if (!r)
		r = read_cpuid(k, a);
	if (!r)
		r = read_msr_list(k, a);
	if (r) {
		log_error("this host's KVM refuses the set-up of a VM: %s", strerror(-r));
		arch_vm_fini(k);
		return EXIT_HOST;
	}
	a->tsc_deadline = kvm_cap(k, KVM_CAP_TSC_DEADLINE_TIMER) > 0;
	k->phys_bits = cpuid_phys_bits(a->cpuid->entries, a->cpuid->nent);
	return 0;
}

void arch_vm_fini(struct kvm *k)
{
	struct arch_vm *a = k->arch;

	if (!a)
		return;
	free(a->cpuid);
	free(a->msr_list);
	free(a);
	k->arch = NULL;
}

bool arch_msi_addr_ok(u64 addr)
{
	/* SDM volume 3, 11.11.1. KVM takes bits 63:40 as part of the destination and refuses some of them. */
	return addr >> 20 == 0xfee;
}

u64 arch_vcpu_pc(int vcpu_fd)
{
	struct kvm_regs r;

	return kvm_ioctl(vcpu_fd, KVM_GET_REGS, &r) == 0 ? r.rip : 0;
}

void arch_vcpu_was_paused(int vcpu_fd)
{
	/* Fails where the guest does not use kvm-clock: then there is nobody to tell. */
	(void)kvm_ioctl_val(vcpu_fd, KVM_KVMCLOCK_CTRL, 0);
}

static int set_cpuid(const struct arch_vm *vm, int fd, unsigned n, u32 apic_id)
{
	size_t bytes = sizeof(*vm->cpuid) + CPUID_MAX * sizeof(vm->cpuid->entries[0]);
	struct cpuid_vcpu v = { .cpus = n, .apic_id = apic_id, .tsc_deadline = vm->tsc_deadline };
	struct kvm_cpuid2 *c = malloc(bytes);
	int r;

	if (!c)
		return -ENOMEM;
	memcpy(c, vm->cpuid, bytes);
	r = kvm_ioctl_val(fd, KVM_GET_TSC_KHZ, 0);
	v.tsc_khz = r > 0 ? (u32)r : 0;
	r = cpuid_fixup(c->entries, &c->nent, CPUID_MAX, &v);
	if (!r)
		r = kvm_ioctl(fd, KVM_SET_CPUID2, c);
	free(c);
	return r;
}

union one_msr {
	struct kvm_msrs m;
	u8 room[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
};

static int set_msr(int fd, u32 index, u64 value)
{
	union one_msr u = { 0 };
	int r;

	u.m.nmsrs = 1;
	u.m.entries[0].index = index;
	u.m.entries[0].data = value;
	r = kvm_ioctl(fd, KVM_SET_MSRS, &u.m);
	if (r < 0)
		return r;
	return r == 1 ? 0 : -EIO;
}

/* KVM's own bits there say which performance features are absent: they stay. */
static int enable_fast_strings(int fd)
{
	union one_msr u = { 0 };
	int r;

	u.m.nmsrs = 1;
	u.m.entries[0].index = MSR_MISC_ENABLE;
	r = kvm_ioctl(fd, KVM_GET_MSRS, &u.m);
	if (r < 0)
		return r;
	return set_msr(fd, MSR_MISC_ENABLE, (r == 1 ? u.m.entries[0].data : 0) | MISC_ENABLE_FAST_STRING);
}

/*
 * Reads the listed MSRs into m (room for the whole list) and drops those that cannot be read: the list tells what KVM knows, not what this
 * vCPU's CPUID allows. Bounded: each round reads or drops at least one.
 */
static int read_msrs(const struct arch_vm *vm, int fd, struct kvm_msrs *m)
{
	unsigned done = 0, n = vm->msr_list->nmsrs, from = 0;
	struct kvm_msrs *part = calloc(1, sizeof(*part) + n * sizeof(part->entries[0]));
	int r = 0;

	if (!part)
		return -ENOMEM;
	while (from < n) {
		part->nmsrs = n - from;
		for (unsigned i = 0; i < part->nmsrs; i++)
			part->entries[i].index = vm->msr_list->indices[from + i];
		r = kvm_ioctl(fd, KVM_GET_MSRS, part);
		if (r < 0)
			break;
		memcpy(&m->entries[done], part->entries, (unsigned)r * sizeof(m->entries[0]));
		done += (unsigned)r;
		from += (unsigned)r + 1;
		r = 0;
	}
	m->nmsrs = done;
	free(part);
	return r;
}

static struct kvm_msrs *new_msrs(const struct arch_vm *vm)
{
	return calloc(1, sizeof(struct kvm_msrs) + vm->msr_list->nmsrs * sizeof(struct kvm_msr_entry));
}

static int save(struct arch_vcpu *a, const struct kvm *k, int fd)
{
	int r = kvm_ioctl(fd, KVM_GET_REGS, &a->regs);

	if (!r)
		r = kvm_ioctl(fd, KVM_GET_SREGS, &a->sregs);
	if (!r)
		r = kvm_ioctl(fd, KVM_GET_XSAVE, &a->xsave);
	if (!r)
		r = kvm_ioctl(fd, KVM_GET_XCRS, &a->xcrs);
	if (!r)
		r = kvm_ioctl(fd, KVM_GET_DEBUGREGS, &a->debugregs);
	if (!r)
		r = kvm_ioctl(fd, KVM_GET_LAPIC, &a->lapic);
	if (!r)
		r = kvm_ioctl(fd, KVM_GET_VCPU_EVENTS, &a->events);
	if (!r)
		r = kvm_ioctl(fd, KVM_GET_MP_STATE, &a->mp_state);
	if (!r)
		r = read_msrs(k->arch, fd, a->msrs);
	/* Only there where the guest may run guests itself; a fresh one fits the header. */
	a->nested.size = sizeof(a->nested);
	if (!r && kvm_cap(k, KVM_CAP_NESTED_STATE) > 0)
		a->has_nested = kvm_ioctl(fd, KVM_GET_NESTED_STATE, &a->nested) == 0;
	return r;
}

int arch_vcpu_init(struct kvm *k, int vcpu_fd, unsigned n, u32 apic_id, struct arch_vcpu **out)
{
	struct arch_vcpu *a = calloc(1, sizeof(*a));
	int r = -ENOMEM;

	if (!a)
		return r;
	a->msrs = new_msrs(k->arch);
	if (!a->msrs)
		goto fail;
	r = set_cpuid(k->arch, vcpu_fd, n, apic_id);
	if (!r)
		r = enable_fast_strings(vcpu_fd);
	/* No firmware will: without it a guest that honours MTRRs would run uncached. */
	if (!r)
		r = set_msr(vcpu_fd, MSR_MTRR_DEF_TYPE, MTRR_DEF_ENABLE | MTRR_TYPE_WB);
	if (!r)
		r = save(a, k, vcpu_fd);
	if (r)
		goto fail;
	*out = a;
	return 0;
fail:
	arch_vcpu_fini(a);
	return r;
}

void arch_vcpu_fini(struct arch_vcpu *a)
{
	if (!a)
		return;
	free(a->msrs);
	free(a);
}

/* Both lists are in KVM's order, but a guest's CPUID-dependent MSR may be in one only: look each up. */
static const struct kvm_msr_entry *find_msr(const struct kvm_msrs *m, u32 index, unsigned hint)
{
	if (hint < m->nmsrs && m->entries[hint].index == index)
		return &m->entries[hint];
	for (unsigned i = 0; i < m->nmsrs; i++) {
		if (m->entries[i].index == index)
			return &m->entries[i];
	}
	return NULL;
}

static int restore_msrs(const struct arch_vcpu *a, const struct kvm *k, int fd)
{
	struct kvm_msrs *now = new_msrs(k->arch);
	int r;

	if (!now)
		return -ENOMEM;
	r = read_msrs(k->arch, fd, now);
	for (unsigned i = 0; !r && i < a->msrs->nmsrs; i++) {
		const struct kvm_msr_entry *old = &a->msrs->entries[i], *cur = find_msr(now, old->index, i);

		if (old->index == MSR_TSC || (cur && cur->data == old->data))
			continue;
		/* Some only count and cannot be set back: that is no reason not to reset. */
		if (set_msr(fd, old->index, old->data))
			log_debug("MSR 0x%x keeps its value over a reset", old->index);
	}
	free(now);
	/* To KVM a host's write of 0 means "in step with the other vCPUs"; the counter goes on. */
	return r ? r : set_msr(fd, MSR_TSC, 0);
}

static int restore(const struct arch_vcpu *a, const struct kvm *k, int fd)
{
	struct arch_vcpu c = *a; /* the calls take no const */
	int r = 0;

	/* First out of a nested guest: it owns the registers. The local APIC after its base, the timer MSRs after the local APIC. */
	if (c.has_nested)
		r = kvm_ioctl(fd, KVM_SET_NESTED_STATE, &c.nested);
	if (!r)
		r = kvm_ioctl(fd, KVM_SET_VCPU_EVENTS, &c.events);
	if (!r)
		r = kvm_ioctl(fd, KVM_SET_SREGS, &c.sregs);
	if (!r)
		r = kvm_ioctl(fd, KVM_SET_REGS, &c.regs);
	if (!r)
		r = kvm_ioctl(fd, KVM_SET_XCRS, &c.xcrs);
	if (!r)
		r = kvm_ioctl(fd, KVM_SET_XSAVE, &c.xsave);
	if (!r)
		r = kvm_ioctl(fd, KVM_SET_DEBUGREGS, &c.debugregs);
	if (!r)
		r = kvm_ioctl(fd, KVM_SET_LAPIC, &c.lapic);
	if (!r)
		r = restore_msrs(a, k, fd);
	if (!r)
		r = kvm_ioctl(fd, KVM_SET_MP_STATE, &c.mp_state);
	return r;
}

static int boot_sregs(int fd, const struct boot_entry *e)
{
	struct kvm_segment data = { .limit = 0xffffffff, .selector = BOOT_DS, .type = 3, .present = 1, .db = 1, .s = 1, .g = 1 };
	struct kvm_segment code = { .limit = 0xffffffff, .selector = BOOT_CS, .type = 11, .present = 1, .s = 1, .g = 1 };
	struct kvm_segment tr = { .limit = 0x67, .type = 11, .present = 1 };
	struct kvm_sregs s;
	int r = kvm_ioctl(fd, KVM_GET_SREGS, &s);

	if (r)
		return r;
	code.l = e->long_mode;
	code.db = !e->long_mode;
	s.cs = code;
	s.ds = s.es = s.fs = s.gs = s.ss = data;
	s.tr = tr;
	s.gdt.base = X86_BOOT_GDT;
	s.gdt.limit = BOOT_GDT_LIMIT;
	s.idt.base = 0;
	s.idt.limit = 0;
	s.cr0 = CR0_PE | CR0_ET | CR0_NE;
	s.cr4 = 0;
	if (e->long_mode) {
		s.cr0 |= CR0_PG;
		s.cr3 = e->cr3;
		s.cr4 = CR4_PAE;
		s.efer = EFER_LME | EFER_LMA;
	}
	return kvm_ioctl(fd, KVM_SET_SREGS, &s);
}

int arch_vcpu_reset(struct kvm *k, int vcpu_fd, const struct arch_vcpu *a, bool has_run, const struct boot_entry *entry)
{
	struct kvm_regs regs = { .rflags = RFLAGS_FIXED };
	int r = has_run ? restore(a, k, vcpu_fd) : 0;

	if (r || !entry)
		return r;
	r = boot_sregs(vcpu_fd, entry);
	if (r)
		return r;
	regs.rip = entry->rip;
	regs.rsp = entry->rsp;
	regs.rsi = entry->rsi;
	regs.rbx = entry->rbx;
	return kvm_ioctl(vcpu_fd, KVM_SET_REGS, &regs);
}
