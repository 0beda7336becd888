/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the PVH entry (32-bit protected mode, flat, start info in ebx) to guest_main() in 64-bit mode; from the start-up IPI (real mode) to
 * smp_entry(); interrupt entries.
 */
#include "vmm/memmap_x86_64.h"

#define CODE64 0x08
#define DATA 0x10
#define CODE32 0x18
#define TRAMPOLINE 0x10000

	.globl start32
	.section .note.pvh, "a", @note
	.balign 4
	.long 4, 4, 18
	.asciz "Xen"
	.long start32

	.text
	.code32
start32:
	cld
	cli
	movl %ebx, start_info
	movl $boot_stack_end, %esp
	/* level 4 and 3, then 2048 leaves of 2 MiB */
	movl $(pt_l3 + 3), pt_l4
	movl $(pt_l2 + 3), pt_l3
	movl $(pt_l2 + 0x1003), pt_l3 + 8
	movl $(pt_l2 + 0x2003), pt_l3 + 16
	movl $(pt_l2 + 0x3003), pt_l3 + 24
	movl $pt_l2, %edi
	movl $0x83, %eax
	movl $2048, %ecx
1:	movl %eax, (%edi)
	addl $0x200000, %eax
	addl $8, %edi
	decl %ecx
	jnz 1b
	movl $start64, %esi

/* esi: where to go on in 64-bit mode */
enter64:
	movl %cr4, %eax
	orl $0x20, %eax
	movl %eax, %cr4
	movl $pt_l4, %eax
	movl %eax, %cr3
	movl $0xc0000080, %ecx
	rdmsr
	orl $0x100, %eax
	wrmsr
	movl %cr0, %eax
	orl $0x80000001, %eax
	movl %eax, %cr0
	lgdt gdtr
	movw $DATA, %ax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %ss
	ljmp $CODE64, $1f
	.code64
1:	movl %esi, %esi
	jmp *%rsi

start64:
	leaq boot_stack_end(%rip), %rsp
	call cpu_start
	call guest_main
	call pass

	.globl idt_load
idt_load:
	lidt idtr(%rip)
	ret

/* A CPU that was started takes the next index and a stack of its own. */
ap64:
	movl $1, %edi
	lock xaddl %edi, smp_next(%rip)
	incl %edi
	movl %edi, %eax
	shll $12, %eax
	leaq ap_stacks(%rip), %rsp
	addq %rax, %rsp
	lidt idtr(%rip)
	call smp_entry
1:	cli
	hlt
	jmp 1b

/* Copied to TRAMPOLINE; runs there with cs = TRAMPOLINE >> 4. */
	.code16
	.globl smp_trampoline, smp_trampoline_end
smp_trampoline:
	cli
	cld
	movw %cs, %ax
	movw %ax, %ds
	lgdtl gdtr16 - smp_trampoline
	movl %cr0, %eax
	orl $1, %eax
	movl %eax, %cr0
	ljmpl $CODE32, $ap32
	.balign 4
gdtr16:
	.word gdt_end - gdt - 1
	.long gdt
smp_trampoline_end:

	.code32
ap32:
	movw $DATA, %ax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %ss
	movl $ap64, %esi
	jmp enter64

/* One entry of 16 bytes per vector: error code (or 0), vector. */
	.code64
	.balign 16
	.globl trap_entries
trap_entries:
	vec = 0
	.rept 256
	.balign 16
	.if (vec == 8) || (vec >= 10 && vec <= 14) || (vec == 17) || (vec == 21)
	.else
	pushq $0
	.endif
	pushq $vec
	jmp trap_common
	vec = vec + 1
	.endr

trap_common:
	pushq %rax
	pushq %rcx
	pushq %rdx
	pushq %rsi
	pushq %rdi
	pushq %r8
	pushq %r9
	pushq %r10
	pushq %r11
	cld
	leaq 72(%rsp), %rdi
	call trap
	popq %r11
	popq %r10
	popq %r9
	popq %r8
	popq %rdi
	popq %rsi
	popq %rdx
	popq %rcx
	popq %rax
	addq $16, %rsp
	iretq

	.data
	.balign 8
gdt:
	.quad 0
	.quad 0x00af9b000000ffff
	.quad 0x00cf93000000ffff
	.quad 0x00cf9b000000ffff
gdt_end:
gdtr:
	.word gdt_end - gdt - 1
	.quad gdt
	.globl idtr
idtr:
	.word 4095
	.quad idt
	.globl smp_next, start_info
	.balign 4
smp_next:
	.long 0
start_info:
	.long 0

	.bss
	.balign 4096
	.globl pt_l4, idt
pt_l4:
	.skip 4096
pt_l3:
	.skip 4096
pt_l2:
	.skip 4 * 4096
idt:
	.skip 4096
boot_stack:
	.skip 16384
boot_stack_end:
/* 4 KiB for each index from 1: ap_stacks + 4096 * index is the upper end. */
ap_stacks:
	.skip 64 * 4096

	.section .note.GNU-stack, "", @progbits
