#!/bin/bash
# What Spark on Kubernetes asks of an image: `driver ARGS…` is a spark-submit in client mode, `executor` an executor that
# Spark describes in the environment. Anything else is run as it is: `mesh publish`.
set -euo pipefail

case "${1:-}" in
    driver)
        shift
        command=("$SPARK_HOME/bin/spark-submit" --deploy-mode client)
        [ -z "${SPARK_DRIVER_BIND_ADDRESS:-}" ] || command+=(--conf "spark.driver.bindAddress=$SPARK_DRIVER_BIND_ADDRESS")
        command+=("$@")
        ;;
    executor)
        # SPARK_JAVA_OPT_0, SPARK_JAVA_OPT_1 …: an option each, in this order; one may hold spaces.
        options=()
        for ((number = 0; ; number++)); do
            name="SPARK_JAVA_OPT_$number"
            [ -n "${!name+x}" ] || break
            options+=("${!name}")
        done
        command=("$JAVA_HOME/bin/java" ${options[@]+"${options[@]}"})
        command+=("-Xms$SPARK_EXECUTOR_MEMORY" "-Xmx$SPARK_EXECUTOR_MEMORY")
        # The same beginning as spark-submit's, or the class archive would not fit.
        logging=("$SPARK_HOME"/jars/slf4j-api-*.jar)
        classes="$SPARK_HOME/conf:${logging[0]}:$SPARK_HOME/jars/*"
        command+=(-cp "$classes${SPARK_CLASSPATH:+:$SPARK_CLASSPATH}${SPARK_EXTRA_CLASSPATH:+:$SPARK_EXTRA_CLASSPATH}")
        command+=(org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend)
        command+=(--driver-url "$SPARK_DRIVER_URL" --executor-id "$SPARK_EXECUTOR_ID" --cores "$SPARK_EXECUTOR_CORES")
        command+=(--app-id "$SPARK_APPLICATION_ID" --hostname "$SPARK_EXECUTOR_POD_IP")
        command+=(--resourceProfileId "$SPARK_RESOURCE_PROFILE_ID" --podName "$SPARK_EXECUTOR_POD_NAME")
        ;;
    *)
        command=("$@")
        ;;
esac
exec tini -s -- "${command[@]}"
