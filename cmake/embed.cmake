# Puts data files and the built console into the program: one assembler file with .incbin, one C
# table of names and ranges. The list is made at configure time, the bytes are read at build time.
file(GLOB data_files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/data/*.json)
file(GLOB_RECURSE ui_files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/ui/dist/*)

set(assembly ".section .rodata\n")
set(declarations "")
set(rows "")
set(number 0)
foreach(file IN LISTS data_files ui_files)
  file(RELATIVE_PATH name ${CMAKE_SOURCE_DIR} ${file})
  string(REGEX REPLACE "^ui/dist/" "ui/" name ${name})
  string(APPEND assembly ".balign 16\n.global wp_embedded_${number}\nwp_embedded_${number}:\n"
    ".incbin \"${file}\"\n.global wp_embedded_${number}_end\nwp_embedded_${number}_end:\n.byte 0\n")
  string(APPEND declarations "extern const char wp_embedded_${number}[], wp_embedded_${number}_end[];\n")
  string(APPEND rows "    {\"${name}\", wp_embedded_${number}, wp_embedded_${number}_end},\n")
  math(EXPR number "${number} + 1")
endforeach()
string(APPEND assembly ".section .note.GNU-stack,\"\",@progbits\n")

set(embedded_dir ${CMAKE_BINARY_DIR}/embedded)
file(CONFIGURE OUTPUT ${embedded_dir}/files.S CONTENT "${assembly}" @ONLY)
file(CONFIGURE OUTPUT ${embedded_dir}/table.c CONTENT
"#include \"cli/embedded.h\"\n${declarations}const struct wp_embedded_file wp_embedded_files[] = {\n${rows}    {0, 0, 0},\n};\n"
  @ONLY)
enable_language(ASM)
set_source_files_properties(${embedded_dir}/files.S PROPERTIES
  OBJECT_DEPENDS "${data_files};${ui_files}")
add_library(wp_embedded STATIC ${embedded_dir}/files.S ${embedded_dir}/table.c)
target_include_directories(wp_embedded PUBLIC ${CMAKE_SOURCE_DIR}/src)
