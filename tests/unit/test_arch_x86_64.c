/* SPDX-License-Identifier: Apache-2.0 */
// wrap: ioctl
#include "tests/unit/unit.h"

#include <linux/kvm.h>
#include <stdarg.h>

#include "vmm/kvm.h"
#include "vmm/memmap_x86_64.h"
#include "vmm/vcpu.h"

#define N_MSRS 6

/* One vCPU as KVM would keep it, with a few MSRs; one of them cannot be read. */
static const u32 listed[N_MSRS] = { 0x10, 0x1a0, 0x2ff, 0xdead, 0xc0000082, 0x6e0 };
static const u32 unreadable = 0xdead;

static struct {
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	u64 msr[N_MSRS];
	unsigned msr_writes;
	unsigned lapic_writes, mp_writes;
	unsigned fail_req;
	u32 nent;
} cpu;

static struct kvm k;
static struct arch_vcpu *a;

static int msr_slot(u32 index)
{
	for (int i = 0; i < N_MSRS; i++) {
		if (listed[i] == index && index != unreadable)
			return i;
	}
	return -1;
}

/* As KVM does: stops at the first that it refuses and tells how many went well. */
static int move_msrs(struct kvm_msrs *m, bool set)
{
	for (u32 i = 0; i < m->nmsrs; i++) {
		int s = msr_slot(m->entries[i].index);

		if (s < 0)
			return (int)i;
		if (set)
			cpu.msr[s] = m->entries[i].data;
		else
			m->entries[i].data = cpu.msr[s];
		cpu.msr_writes += set;
	}
	return (int)m->nmsrs;
}

static int get_list(struct kvm_msr_list *l)
{
	l->nmsrs = N_MSRS;
	memcpy(l->indices, listed, sizeof(listed));
	return 0;
}

int __wrap_ioctl(int fd, unsigned long req, ...);

int __wrap_ioctl(int fd, unsigned long req, ...)
{
	void *arg = IOCTL_ARG(req);

	if (cpu.fail_req && req == cpu.fail_req) {
		errno = EINVAL;
		return -1;
	}
	switch (req) {
	case KVM_CHECK_EXTENSION:
		return 1;
	case KVM_GET_SUPPORTED_CPUID:
		((struct kvm_cpuid2 *)arg)->nent = 1;
		((struct kvm_cpuid2 *)arg)->entries[0] = (struct kvm_cpuid_entry2){ .function = 0x80000008, .eax = 0x2e };
		return 0;
	case KVM_SET_CPUID2:
		cpu.nent = ((struct kvm_cpuid2 *)arg)->nent;
		return 0;
	case KVM_GET_MSR_INDEX_LIST:
		return get_list(arg);
	case KVM_GET_MSRS:
		return move_msrs(arg, false);
	case KVM_SET_MSRS:
		return move_msrs(arg, true);
	case KVM_GET_TSC_KHZ:
		return 2500000;
	case KVM_GET_SREGS:
		*(struct kvm_sregs *)arg = cpu.sregs;
		return 0;
	case KVM_SET_SREGS:
		cpu.sregs = *(struct kvm_sregs *)arg;
		return 0;
	case KVM_GET_REGS:
		*(struct kvm_regs *)arg = cpu.regs;
		return 0;
	case KVM_SET_REGS:
		cpu.regs = *(struct kvm_regs *)arg;
		return 0;
	case KVM_SET_LAPIC:
		cpu.lapic_writes++;
		return 0;
	case KVM_SET_MP_STATE:
		cpu.mp_writes++;
		return 0;
	default:
		return 0;
	}
}

static int setup(void **state)
{
	memset(&cpu, 0, sizeof(cpu));
	memset(&k, 0, sizeof(k));
	cpu.regs.rip = 0xfff0;
	cpu.sregs.apic_base = 0xfee00900;
	assert_int_equal(arch_vm_init(&k), 0);
	assert_int_equal(arch_vcpu_init(&k, 3, 2, 1, &a), 0);
	return 0;
}

static int teardown(void **state)
{
	arch_vcpu_fini(a);
	arch_vm_fini(&k);
	return 0;
}

static void test_arch_vm_init_takes_phys_bits_from_kvm(void **state)
{
	assert_int_equal(k.phys_bits, 46);
}

static void test_arch_vcpu_init_sets_cpuid_and_memory_types(void **state)
{
	assert_true(cpu.nent > 1);
	assert_int_equal(cpu.msr[1], 1);
	assert_int_equal(cpu.msr[2], 0x806);
}

static void test_arch_entry_long_mode_registers(void **state)
{
	struct boot_entry e = { .long_mode = true, .rip = 0x100200, .rsp = X86_BOOT_STACK, .rsi = X86_ZERO_PAGE, .cr3 = X86_BOOT_PT };

	assert_int_equal(arch_vcpu_reset(&k, 3, a, false, &e), 0);
	assert_int_equal(cpu.regs.rip, 0x100200);
	assert_int_equal(cpu.regs.rsp, X86_BOOT_STACK);
	assert_int_equal(cpu.regs.rsi, X86_ZERO_PAGE);
	assert_int_equal(cpu.regs.rflags, 2);
	assert_int_equal(cpu.sregs.cr0, 0x80000031);
	assert_int_equal(cpu.sregs.cr3, X86_BOOT_PT);
	assert_int_equal(cpu.sregs.cr4, 0x20);
	assert_int_equal(cpu.sregs.efer, 0x500);
	assert_int_equal(cpu.sregs.cs.selector, 0x10);
	assert_true(cpu.sregs.cs.l && !cpu.sregs.cs.db);
	assert_int_equal(cpu.sregs.ss.selector, 0x18);
	assert_int_equal(cpu.sregs.gdt.base, X86_BOOT_GDT);
	assert_int_equal(cpu.sregs.gdt.limit, 6 * 8 - 1);
	assert_int_equal(cpu.sregs.apic_base, 0xfee00900);
}

static void test_arch_entry_pvh_registers(void **state)
{
	struct boot_entry e = { .rip = 0x1000000, .rbx = X86_PVH_INFO };

	assert_int_equal(arch_vcpu_reset(&k, 3, a, false, &e), 0);
	assert_int_equal(cpu.regs.rip, 0x1000000);
	assert_int_equal(cpu.regs.rbx, X86_PVH_INFO);
	assert_int_equal(cpu.sregs.cr0, 0x31);
	assert_int_equal(cpu.sregs.cr4, 0);
	assert_int_equal(cpu.sregs.efer, 0);
	assert_true(!cpu.sregs.cs.l && cpu.sregs.cs.db);
	assert_int_equal(cpu.sregs.cs.limit, 0xffffffff);
}

static void test_arch_reset_after_run_writes_back_what_changed(void **state)
{
	cpu.regs.rip = 0x1234;
	cpu.sregs.cr3 = 0x5000;
	cpu.msr[4] = 0xffffffff81000000;
	cpu.msr_writes = 0;
	assert_int_equal(arch_vcpu_reset(&k, 3, a, true, NULL), 0);
	assert_int_equal(cpu.regs.rip, 0xfff0);
	assert_int_equal(cpu.sregs.cr3, 0);
	assert_int_equal(cpu.msr[4], 0);
	assert_int_equal(cpu.msr_writes, 2); /* LSTAR, and the TSC for its synchronization */
	assert_int_equal(cpu.lapic_writes, 1);
	assert_int_equal(cpu.mp_writes, 1);
}

static void test_arch_reset_of_a_fresh_ap_touches_nothing(void **state)
{
	cpu.msr_writes = 0;
	assert_int_equal(arch_vcpu_reset(&k, 3, a, false, NULL), 0);
	assert_int_equal(cpu.msr_writes + cpu.lapic_writes + cpu.mp_writes, 0);
}

static void test_arch_failures_are_reported_and_leave_nothing(void **state)
{
	static const unsigned req[] = { KVM_SET_CPUID2, KVM_SET_MSRS, KVM_GET_MSRS, KVM_GET_LAPIC, KVM_GET_MP_STATE, KVM_GET_XSAVE };
	struct arch_vcpu *b = NULL;

	for (unsigned i = 0; i < ARRAY_SIZE(req); i++) {
		cpu.fail_req = req[i];
		assert_int_equal(arch_vcpu_init(&k, 3, 2, 1, &b), -EINVAL);
		assert_null(b);
	}
	cpu.fail_req = KVM_SET_LAPIC;
	assert_int_equal(arch_vcpu_reset(&k, 3, a, true, NULL), -EINVAL);
	cpu.fail_req = KVM_GET_REGS;
	assert_int_equal(arch_vcpu_pc(3), 0);
}

static void test_arch_msi_address_range(void **state)
{
	assert_true(arch_msi_addr_ok(0xfee00000));
	assert_true(arch_msi_addr_ok(0xfeeffffc));
	assert_false(arch_msi_addr_ok(0xfef00000));
	assert_false(arch_msi_addr_ok(0xfedffffc));
	assert_false(arch_msi_addr_ok(0x1fee00000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_arch_vm_init_takes_phys_bits_from_kvm, setup, teardown),
		cmocka_unit_test_setup_teardown(test_arch_vcpu_init_sets_cpuid_and_memory_types, setup, teardown),
		cmocka_unit_test_setup_teardown(test_arch_entry_long_mode_registers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_arch_entry_pvh_registers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_arch_reset_after_run_writes_back_what_changed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_arch_reset_of_a_fresh_ap_touches_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_arch_failures_are_reported_and_leave_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_arch_msi_address_range, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
