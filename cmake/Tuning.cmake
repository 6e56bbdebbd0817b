# GCC for x86 clears and copies structs with `rep stos` and `rep movs`, which take
# longer to start than the hundred octets they are used for; the inner loop does
# so a few times a packet.  This makes it use vector stores up to 512 octets and
# the C library beyond.
include(CheckCCompilerFlag)
set(IPM_STRATEGY vector_loop:512:noalign,libcall:-1:noalign)
foreach(what memset memcpy)
	check_c_compiler_flag("-m${what}-strategy=${IPM_STRATEGY}" IPM_HAS_${what}_STRATEGY)
	if(IPM_HAS_${what}_STRATEGY)
		add_compile_options(-m${what}-strategy=${IPM_STRATEGY})
	endif()
endforeach()
