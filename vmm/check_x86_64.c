/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest that does in kernel mode what stock kernels do while they boot, and that a KVM without hardware virtualization, or an emulating
 * one, may lack: a breakpoint through the IDT, cmpxchg16b, XSAVE, BMI. What CPUID does not offer is left out. It starts
 * in long mode as any kernel here does, notes each step in RAM, and ends by a port write.
 */
#include "vmm/check.h"
#include "vmm/memmap_x86_64.h"

#define CODE_GPA 0x100000
#define IDT_GPA 0x110000
#define IDTR_GPA 0x111000
#define STEP_GPA 0x112000
#define BUF_GPA 0x113000 /* a page, then the stack's page */
#define STACK_GPA 0x115000

#define IDT_VECTORS 32
#define VECTOR_BP 3
#define GATE_INTERRUPT 0x8e00
#define BOOT_CS 0x10

#define STR_(x) #x
#define STR(x) STR_(x)

/* ANDN of 0xff with the complement of 0xf0 is 0x0f. */
__asm__(
	".pushsection .rodata\n"
	".globl check_guest_start, check_guest_bp, check_guest_fault, check_guest_end\n"
	"check_guest_start:\n"
	"	lidt " STR(IDTR_GPA) "\n"
	"	movb $1, " STR(STEP_GPA) "\n"
	"	int3\n"
	"	movb $2, " STR(STEP_GPA) "\n"
	"	mov $1, %eax\n"
	"	cpuid\n"
	"	mov %ecx, %esi\n"
	"	bt $13, %esi\n"
	"	jnc 1f\n"
	"	xor %eax, %eax\n"
	"	xor %edx, %edx\n"
	"	mov $1, %ebx\n"
	"	xor %ecx, %ecx\n"
	"	lock cmpxchg16b " STR(BUF_GPA) "\n"
	"	jne check_guest_fault\n"
	"1:	movb $3, " STR(STEP_GPA) "\n"
	"	bt $26, %esi\n"
	"	jnc 2f\n"
	"	mov %cr4, %rax\n"
	"	or $0x40600, %rax\n"
	"	mov %rax, %cr4\n"
	"	xor %ecx, %ecx\n"
	"	xgetbv\n"
	"	mov $3, %eax\n"
	"	xor %edx, %edx\n"
	"	xsetbv\n"
	"	xsave " STR(BUF_GPA) "\n"
	"2:	movb $4, " STR(STEP_GPA) "\n"
	"	xor %eax, %eax\n"
	"	cpuid\n"
	"	cmp $7, %eax\n"
	"	jb 3f\n"
	"	mov $7, %eax\n"
	"	xor %ecx, %ecx\n"
	"	cpuid\n"
	"	bt $3, %ebx\n"
	"	jnc 3f\n"
	"	mov $0xf0, %eax\n"
	"	mov $0xff, %ecx\n"
	"	andn %ecx, %eax, %edx\n"
	"	cmp $0x0f, %edx\n"
	"	jne check_guest_fault\n"
	"	tzcnt %eax, %ecx\n"
	"	cmp $4, %ecx\n"
	"	jne check_guest_fault\n"
	"3:	movb $5, " STR(STEP_GPA) "\n"
	"	out %al, $0xf4\n"
	"4:	hlt\n"
	"	jmp 4b\n"
	"check_guest_bp:\n"
	"	iretq\n"
	"check_guest_fault:\n"
	"	out %al, $0xf5\n"
	"5:	hlt\n"
	"	jmp 5b\n"
	"check_guest_end:\n"
	".popsection\n");

extern const u8 check_guest_start[], check_guest_bp[], check_guest_fault[], check_guest_end[];

static const char *const steps[] = {
	"its first instruction", "a breakpoint (int3) in kernel mode", "cmpxchg16b", "xgetbv and xsave", "andn and tzcnt", "the end",
};

static int load_tables(const struct mem *m)
{
	/* Identity by one 2 MiB page; the code and data segments of the boot protocols. */
	const struct { gpa_t gpa; u64 v; } words[] = {
		{ X86_BOOT_PT, (X86_BOOT_PT + 0x1000) | 3 },
		{ X86_BOOT_PT + 0x1000, (X86_BOOT_PT + 0x2000) | 3 },
		{ X86_BOOT_PT + 0x2000, 0x83 },
		{ X86_BOOT_GDT + BOOT_CS, 0x00af9b000000ffff },
		{ X86_BOOT_GDT + BOOT_CS + 8, 0x00cf93000000ffff },
		{ IDTR_GPA, (u64)IDT_GPA << 16 | (IDT_VECTORS * 16 - 1) },
		{ IDTR_GPA + 8, 0 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
		u8 bytes[8];
		int rc;

		put_le(bytes, 8, words[i].v);
		rc = mem_write(m, words[i].gpa, bytes, sizeof(bytes));
		if (rc)
			return rc;
	}
	return 0;
}

/* Interrupt gates: a breakpoint returns, everything else is the end. */
static int load_idt(const struct mem *m)
{
	u8 gate[16] = { 0 };

	for (unsigned v = 0; v < IDT_VECTORS; v++) {
		const u8 *label = v == VECTOR_BP ? check_guest_bp : check_guest_fault;
		u64 handler = CODE_GPA + (u64)(label - check_guest_start);
		int rc;

		put_le(gate, 8, (handler & 0xffff) | BOOT_CS << 16 | (u64)GATE_INTERRUPT << 32 | (handler >> 16 & 0xffff) << 48);
		rc = mem_write(m, IDT_GPA + 16 * v, gate, sizeof(gate));
		if (rc)
			return rc;
	}
	return 0;
}

int check_guest_load(const struct mem *m, struct boot_entry *entry)
{
	int rc = load_tables(m);

	if (!rc)
		rc = load_idt(m);
	if (!rc)
		rc = mem_write(m, CODE_GPA, check_guest_start, (u64)(check_guest_end - check_guest_start));
	*entry = (struct boot_entry){ .long_mode = true, .rip = CODE_GPA, .rsp = STACK_GPA, .cr3 = X86_BOOT_PT };
	return rc;
}

const char *check_guest_step(const struct mem *m)
{
	u8 step = 0;

	if (mem_read(m, STEP_GPA, &step, 1) || step >= ARRAY_SIZE(steps))
		return "something unknown";
	return steps[step];
}
