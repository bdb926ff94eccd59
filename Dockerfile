# The image holds one static binary and nothing else. Build it with make image,
# which builds dist/perennial first: nothing is compiled or downloaded here.
FROM scratch
COPY dist/perennial /perennial
# An empty directory, so that a volume mounted on it belongs to the user below.
COPY --chown=65532:65532 dist/home /data
# Mount a project here; without one the demo project inside the binary plays,
# extracted to /data/demo.
WORKDIR /project
USER 65532:65532
VOLUME /data
EXPOSE 8080
ENTRYPOINT ["/perennial"]
CMD ["up", "--home", "/data"]
