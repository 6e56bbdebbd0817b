# The warning list as data.  ipm_warnings(TARGET) adds those its compiler has.
set(IPM_WARNINGS_BOTH
	-Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow
	-Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition
	-Wcast-qual -Wcast-align -Wpointer-arith -Wwrite-strings -Wswitch-enum
	-Wundef -Wvla -Wformat=2 -Wnull-dereference -Wredundant-decls)
set(IPM_WARNINGS_GNU
	-Wduplicated-cond -Wduplicated-branches -Wlogical-op -Warith-conversion)
set(IPM_WARNINGS_Clang
	-Wcomma -Wassign-enum -Wmissing-variable-declarations
	-Wunreachable-code -Wconditional-uninitialized)

function(ipm_warnings target)
	target_compile_options(${target} PRIVATE ${IPM_WARNINGS_BOTH} ${IPM_WARNINGS_${CMAKE_C_COMPILER_ID}})
	if(IPM_WERROR)
		target_compile_options(${target} PRIVATE -Werror)
	endif()
endfunction()
